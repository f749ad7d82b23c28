/**
 * Server-side apply that sends a request only if something differs. An annotation has a hash of the applied
 * object, which detects fields that are no longer desired; a comparison with the live object detects drift.
 */
import { hash } from 'node:crypto';
import { canonicalJson } from './canonical-json.js';
import { type Difference, differences } from './difference.js';
import { isConflict, type KubeClient } from './kube-client.js';
import type { KubeObject, ResourceType } from './kube-types.js';
import { lastOtherManager } from './managed-fields.js';

export type ApplyResult =
  | { outcome: 'unchanged' | 'created' | 'updated' }
  /**
   * Another field manager had changed the object; the change was reverted. `fields` are paths such as
   * `spec.replicas`.
   */
  | ({ outcome: 'drifted' } & Drift)
  /** Drift that is not repaired now, because `mayRepair` returned false. */
  | ({ outcome: 'left' } & Drift);

export interface Drift {
  manager: string;
  fields: string[];
}

export interface ApplyOptions {
  /** Whether drift may be repaired now. Default: yes. */
  mayRepair?: (drift: Drift) => boolean;
}

/** The object is not cached, but exists. */
export class ExistsError extends Error {
  override readonly name = 'ExistsError';
}

/**
 * A resourceVersion that no object has: an apply with it can create an object, but not change an existing
 * one.
 */
const NO_VERSION = '1';

export interface ApplierOptions {
  fieldManager: string;
  /** Annotation with the hash. */
  annotation: string;
  /** Called with the response of the API server, so that caches can store it. */
  onWrite?: (type: ResourceType, written: KubeObject) => void;
}

export class Applier {
  /** Hash that matches a live object. A changed object is a new key. */
  private readonly settled = new WeakMap<KubeObject, string>();

  constructor(
    private readonly client: KubeClient,
    private readonly options: ApplierOptions,
  ) {}

  /**
   * Applies one object. `live` is the cached object; without it the object is created, or an {@link
   * ExistsError} is thrown. Throws errors of the API server.
   */
  async apply(
    type: ResourceType,
    desired: KubeObject,
    live: KubeObject | undefined,
    { mayRepair = () => true }: ApplyOptions = {},
  ): Promise<ApplyResult> {
    const { annotation } = this.options;
    const wanted = hashOf(desired);
    const object = annotated(desired, annotation, wanted);
    if (!live) return this.create(type, object);
    if (this.settled.get(live) === wanted) return { outcome: 'unchanged' };
    const drift = this.driftOf(object, live, wanted);
    if (drift?.length === 0) {
      this.settled.set(live, wanted);
      return { outcome: 'unchanged' };
    }
    const found = drift && this.describe(drift, live);
    if (found && !mayRepair(found)) return { outcome: 'left', ...found };
    const written = await this.write(type, object);
    if (written.metadata.resourceVersion === live.metadata.resourceVersion) {
      // The write is a no-op, or defaults and webhooks always cause this difference: another attempt would
      // not help.
      this.settled.set(live, wanted);
      return { outcome: 'unchanged' };
    }
    return found ? { outcome: 'drifted', ...found } : { outcome: 'updated' };
  }

  /** Drift; undefined if the desired object differs from the last applied one. */
  private driftOf(object: KubeObject, live: KubeObject, wanted: string): Difference[] | undefined {
    const { annotation, fieldManager } = this.options;
    const applied = live.metadata.annotations?.[annotation];
    // Without the annotation another client replaced the whole object.
    return applied === undefined || applied === wanted ? differences(object, live, fieldManager) : undefined;
  }

  private describe(drift: Difference[], live: KubeObject): Drift {
    const paths = drift.map(({ fieldPath }) => fieldPath);
    const manager = lastOtherManager(live.metadata.managedFields ?? [], this.options.fieldManager, paths);
    return { manager, fields: drift.map(({ path }) => path) };
  }

  /** One request that fails if the object exists, without a read before it. */
  private async create(type: ResourceType, object: KubeObject): Promise<ApplyResult> {
    const metadata = { ...object.metadata, resourceVersion: NO_VERSION };
    try {
      await this.write(type, { ...object, metadata });
      return { outcome: 'created' };
    } catch (error) {
      const {
        kind,
        metadata: { namespace, name },
      } = object;
      if (isConflict(error)) throw new ExistsError(`${kind} ${namespace}/${name} exists`, { cause: error });
      throw error;
    }
  }

  private async write(type: ResourceType, object: KubeObject): Promise<KubeObject> {
    const { fieldManager, onWrite } = this.options;
    const written = await this.client.apply(type, object, { fieldManager, force: true });
    onWrite?.(type, written);
    return written;
  }
}

/** A copy with the annotation that {@link Applier} compares. */
export function annotated(desired: KubeObject, annotation: string, hash: string): KubeObject {
  const { metadata } = desired;
  return {
    ...desired,
    metadata: { ...metadata, annotations: { ...metadata.annotations, [annotation]: hash } },
  };
}

/** Equal for objects that differ only in the order of their keys. */
export function hashOf(object: KubeObject): string {
  return hash('sha256', canonicalJson(object)).slice(0, 16);
}
