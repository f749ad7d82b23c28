/** Writes what was planned, and only what differs from what is. */
import { FIELD_MANAGER, FINALIZER, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import { PcfApiKind, typeOf } from '../resources/kinds.js';
import type { Applier } from '../runtime/apply.js';
import { isNotFound, type KubeClient, type KubeObject, type ResourceType } from '../runtime/kube-client.js';
import type { Caches } from './caches.js';

/** Somebody else's edit of an object of ours that was put back. */
export interface Repair {
  kind: string;
  name: string;
  manager: string;
  fields: string[];
}

/** An object that is needed under a name that something else has. */
export class NameTakenError extends Error {
  override readonly name = 'NameTakenError';
  constructor(object: KubeObject) {
    super(
      `${object.kind} ${object.metadata.namespace}/${object.metadata.name} exists and does not belong to this PcfApi; rename one of them`,
    );
  }
}

export class Actor {
  constructor(
    private readonly client: KubeClient,
    private readonly applier: Applier,
    private readonly caches: Caches,
  ) {}

  /** Brings the objects to what is desired, in order. Throws on the first that can't be written. */
  async apply(api: PcfApi, desired: readonly KubeObject[]): Promise<Repair[]> {
    const repairs: Repair[] = [];
    for (const object of desired) {
      const type = typeOf(object);
      const live = this.caches.get(type, api, object.metadata.name);
      if (!live) await this.refuseToTakeOver(type, api, object);
      const result = await this.applier.apply(type, object, live);
      if (result.outcome !== 'drifted') continue;
      repairs.push({
        kind: object.kind,
        name: object.metadata.name,
        manager: result.manager,
        fields: result.fields,
      });
    }
    return repairs;
  }

  /** Deletes what is there and unwanted. Gone already is fine. */
  async remove(unwanted: readonly { type: ResourceType; object: KubeObject }[]): Promise<void> {
    for (const { type, object } of unwanted) {
      const { namespace, name, uid } = object.metadata;
      await this.client
        .delete(type, namespace, name, { uid, propagationPolicy: 'Background' })
        .catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        });
    }
  }

  /** Adds or removes our finalizer, unless the object changed meanwhile. */
  async setFinalizer({ metadata }: PcfApi, present: boolean): Promise<void> {
    const others = (metadata.finalizers ?? []).filter((name) => name !== FINALIZER);
    const finalizers = present ? [...others, FINALIZER] : others;
    await this.client.patch(
      PcfApiKind,
      metadata.namespace,
      metadata.name,
      { metadata: { finalizers, resourceVersion: metadata.resourceVersion } },
      { fieldManager: FIELD_MANAGER },
    );
  }

  /** Sets `spec.replicas` as an autoscaler does, which needs the field to be there before it can read it. */
  async scale({ metadata }: PcfApi, replicas: number): Promise<void> {
    const { namespace, name } = metadata;
    await this.client.patch(
      PcfApiKind,
      namespace,
      name,
      { spec: { replicas } },
      { fieldManager: FIELD_MANAGER, subresource: 'scale' },
    );
  }

  /**
   * Our caches hold only what carries our label, so an object they do not have
   * may still exist, as somebody else's: a forced apply would take it over.
   * Asked only before something is created.
   */
  private async refuseToTakeOver(type: ResourceType, api: PcfApi, object: KubeObject): Promise<void> {
    const existing = await this.client
      .get(type, object.metadata.namespace, object.metadata.name)
      .catch((error: unknown) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
    const isOurs = existing?.metadata.ownerReferences?.some(({ uid }) => uid === api.metadata.uid);
    if (existing && !isOurs) throw new NameTakenError(object);
  }
}
