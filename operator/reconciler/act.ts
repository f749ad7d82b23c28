/** Writes what was planned, and only what differs from what is. */
import { FIELD_MANAGER, FINALIZER, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import { BACKUP_KINDS, DeploymentKind, JobKind, PcfApiKind, ROUTES, typeOf } from '../resources/kinds.js';
import { ADOPT_ORPHANS_ANNOTATION, hasLabelsOf, isOrphanOf, isOwnedBy } from '../resources/metadata.js';
import { SURROUNDING_KINDS } from '../resources/surroundings.js';
import { type Applier, type ApplyResult, ExistsError } from '../runtime/apply.js';
import { type Fight, FightTracker } from '../runtime/fights.js';
import {
  isConnectionError,
  isNotFound,
  isServerError,
  type KubeApiError,
  type KubeClient,
  type KubeObject,
  type ResourceType,
} from '../runtime/kube-client.js';
import { lastOtherManager } from '../runtime/managed-fields.js';
import { keyOf } from '../runtime/store.js';
import type { RouteEdit } from '../traffic/shared.js';
import type { Caches } from './caches.js';

/** Somebody else's edit of an object of ours that was put back. */
export interface Repair {
  kind: string;
  name: string;
  manager: string;
  fields: string[];
}

/** What {@link Actor.apply} did. */
export interface Applied {
  repairs: Repair[];
  /** Whether anything was written. */
  changed: boolean;
  /** Whether a route was written: traffic goes another way now. */
  routeChanged: boolean;
  /** When to look again because of a repair that was put off, or of a fight that may be over then. */
  lookAgainMs: number | undefined;
  /** Why pods or their surroundings could not be written, although everything else was. */
  failure?: unknown;
}

/** What makes pods, which need what was made before them. */
const WORKLOADS: readonly ResourceType[] = [DeploymentKind, JobKind];
/** What pods and route do without: where one can't be written, the rest goes on being kept as it should be. */
const DISPENSABLE: readonly ResourceType[] = [...SURROUNDING_KINDS, ...BACKUP_KINDS];

/** An object of another owner has the name of an object that is needed. */
export class NameConflictError extends Error {
  override readonly name = 'NameConflictError';
  constructor(api: PcfApi, { kind }: ResourceType, { metadata }: KubeObject) {
    super(`${kind} ${metadata.namespace}/${metadata.name} exists and ${ownershipOf(api, metadata)}`);
  }
}

function ownershipOf(api: PcfApi, metadata: KubeObject['metadata']): string {
  const { ownerReferences: [first] = [] } = metadata;
  const owner = metadata.ownerReferences?.find(({ controller }) => controller) ?? first;
  if (owner) return `belongs to ${owner.kind} ${owner.name}, not to this PcfApi; rename one of the two`;
  const { name, namespace } = api.metadata;
  return isOrphanOf(metadata, api)
    ? `an earlier PcfApi ${name} left it without an owner; delete it, or adopt the orphaned objects: ` +
        `kubectl annotate pcf ${name} -n ${namespace} ${ADOPT_ORPHANS_ANNOTATION}=true`
    : 'does not belong to this PcfApi; rename one of the two';
}

/** The API server failed at a write, as when a webhook that it has to ask does not answer. */
export class WriteFailedError extends Error {
  override readonly name = 'WriteFailedError';
  constructor(
    /** Kind and name of what was to be written. */
    readonly object: string,
    cause: KubeApiError,
  ) {
    super(`${object}: ${cause.message}`, { cause });
  }

  /** What the API server said. */
  get answer(): string {
    return (this.cause as KubeApiError).message;
  }
}

export class Actor {
  constructor(
    private readonly client: KubeClient,
    private readonly applier: Applier,
    private readonly caches: Caches,
    private readonly fights = new FightTracker(),
  ) {}

  /**
   * Brings the objects to what is desired, in order; what may be written at the same
   * time goes out together. A route of the user's own is written where one of ours would be:
   * before the pods. Throws on the first rejected write, except those of pods, of objects after
   * them, and of their surroundings: no later write depends on those, and neither does the
   * removal of another revision, because the route was written before.
   */
  async apply(api: PcfApi, desired: readonly KubeObject[], routeEdit?: RouteEdit): Promise<Applied> {
    const repairs: Repair[] = [];
    const waits: number[] = [];
    let changed = false;
    let routeChanged = false;
    let failure: unknown;
    let isPastRoute = false;
    let edit = routeEdit;
    const writeRoute = async () => {
      if (!edit) return;
      const repair = await this.editRoute(api, edit, waits);
      edit = undefined;
      if (repair === 'left') return;
      if (repair) repairs.push(repair);
      changed = true;
      routeChanged = true;
    };
    for (const wave of wavesOf(desired)) {
      isPastRoute ||= wave.some((object) => WORKLOADS.includes(typeOf(object)));
      if (isPastRoute) await writeRoute();
      const results = await inParallel(
        wave.map((object) =>
          this.applyOne(api, object, waits).catch((error: unknown) => {
            const isWorkload = WORKLOADS.includes(typeOf(object));
            if (!(isPastRoute || DISPENSABLE.includes(typeOf(object))) || isConnectionError(error))
              throw error;
            // An error that blocks the delivery is reported in preference to one of the surroundings.
            failure = isWorkload ? error : (failure ?? error);
            return { outcome: 'left' } as const;
          }),
        ),
      );
      for (const [index, result] of results.entries()) {
        const { kind, metadata } = wave[index]!;
        if (result.outcome === 'drifted') {
          const { manager, fields } = result;
          repairs.push({ kind, name: metadata.name, manager, fields });
        }
        if (result.outcome === 'unchanged' || result.outcome === 'left') continue;
        changed = true;
        routeChanged ||= ROUTES.includes(typeOf(wave[index]!));
      }
    }
    await writeRoute();
    const calmInMs = this.fights.calmInMs(keyOf(api));
    if (calmInMs !== undefined) waits.push(calmInMs);
    const lookAgainMs = waits.length > 0 ? Math.min(...waits) : undefined;
    return { repairs, changed, routeChanged, lookAgainMs, failure };
  }

  /** Other managers that change back what we repair, again and again. Their changes are put back ever more slowly. */
  fightsFor(key: string): Fight[] {
    return this.fights.fightsOf(key);
  }

  /** Forgets what it knows of a PcfApi that is gone. */
  forget(key: string): void {
    this.fights.forget(key);
  }

  private async applyOne(api: PcfApi, object: KubeObject, waits: number[]): Promise<ApplyResult> {
    const type = typeOf(object);
    const owner = keyOf(api);
    const name = `${object.kind} ${object.metadata.name}`;
    const mayRepair = ({ manager }: { manager: string }) => {
      const waitMs = this.fights.waitMs(owner, name, manager);
      if (waitMs > 0) waits.push(waitMs);
      return waitMs === 0;
    };
    const known = this.caches.named(type, api, object.metadata.name);
    if (known) requireOwnership(api, type, known);
    const written = this.applier.apply(type, object, known, { mayRepair }).catch(async (error) => {
      if (!(error instanceof ExistsError)) throw error;
      return this.applier.apply(type, object, await this.unlabelled(type, api, object), { mayRepair });
    });
    const result = await naming(name, written);
    if (result.outcome === 'drifted') {
      this.fights.repaired(owner, { object: name, manager: result.manager, fields: result.fields });
    }
    return result;
  }

  /** Gives routes of the user's own back. */
  async release(edits: readonly RouteEdit[]): Promise<void> {
    for (const edit of edits) await this.patchRoute(edit);
  }

  /** Refused when the route has changed since: then the next reconcile goes by what it is now. */
  private async patchRoute({ type, live, patch }: RouteEdit): Promise<void> {
    const { namespace, name } = live.metadata;
    const patched = this.client.patch(type, namespace, name, patch, { fieldManager: FIELD_MANAGER });
    const written = await naming(`${type.kind} ${name}`, patched);
    this.caches.noteRouteWrite(type, written);
  }

  private async editRoute(
    api: PcfApi,
    edit: RouteEdit,
    waits: number[],
  ): Promise<Repair | undefined | 'left'> {
    const { kind, metadata } = edit.live;
    const object = `${kind} ${metadata.name}`;
    const fields = [edit.field];
    const paths = [edit.field.split('.').map((step) => `f:${step}`)];
    const manager = lastOtherManager(metadata.managedFields ?? [], FIELD_MANAGER, paths);
    if (edit.drifted) {
      const waitMs = this.fights.waitMs(keyOf(api), object, manager);
      if (waitMs > 0) {
        waits.push(waitMs);
        return 'left';
      }
    }
    await this.patchRoute(edit);
    if (!edit.drifted) return undefined;
    this.fights.repaired(keyOf(api), { object, manager, fields });
    return { kind, name: metadata.name, manager, fields };
  }

  /**
   * Deletes unwanted objects that exist; "not found" counts as success. Tries all, then throws the first
   * error. `unchanged`: deletes an object only in the version that was read.
   */
  async remove(
    unwanted: readonly { type: ResourceType; object: KubeObject }[],
    { unchanged = false } = {},
  ): Promise<void> {
    let failure: unknown;
    for (const { type, object } of unwanted) {
      const { namespace, name, uid } = object.metadata;
      const resourceVersion = unchanged ? object.metadata.resourceVersion : undefined;
      const options = { uid, resourceVersion, propagationPolicy: 'Background' } as const;
      const gone = this.client.delete(type, namespace, name, options);
      await naming(`${type.kind} ${name}`, gone).catch((error: unknown) => {
        if (isConnectionError(error)) throw error;
        if (!isNotFound(error)) failure ??= error;
      });
    }
    if (failure) throw failure;
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

  /**
   * Sets or removes `spec.replicas`, unless the object changed meanwhile. It does not use the scale
   * subresource: managedFields lacks a first write there, and the manager of the field would be unrecorded.
   */
  async setReplicas({ metadata }: PcfApi, replicas: number | null): Promise<void> {
    const { namespace, name, resourceVersion } = metadata;
    const patch = { metadata: { resourceVersion }, spec: { replicas } };
    const written = this.client.patch(PcfApiKind, namespace, name, patch, { fieldManager: FIELD_MANAGER });
    this.caches.pcfApis.noteWrite(await naming(`replicas of ${name}`, written));
  }

  /**
   * Our caches hold only what carries our label, so an object they do not have may still
   * exist: one of ours whose label somebody took away, or somebody else's, which a forced
   * apply would take over.
   */
  private async unlabelled(type: ResourceType, api: PcfApi, object: KubeObject): Promise<KubeObject> {
    const { namespace, name } = object.metadata;
    const { items } = await this.client.list(type, { namespace, fieldSelector: `metadata.name=${name}` });
    const existing = items[0];
    if (!existing) throw new Error(`${object.kind} ${namespace}/${name} was deleted while it was read`);
    requireOwnership(api, type, existing);
    return existing;
  }
}

/** Backups have no owner, so that they outlive the PcfApi: their labels decide. */
function requireOwnership(api: PcfApi, type: ResourceType, existing: KubeObject): void {
  const isBackup = BACKUP_KINDS.includes(type);
  const isOurs = isBackup ? hasLabelsOf(existing.metadata, api) : isOwnedBy(existing, api);
  if (!isOurs) throw new NameConflictError(api, type, existing);
}

/**
 * Parts the objects into what may be written at the same time. A route waits for all
 * that comes before it, and all that comes after waits for the route; pods wait for
 * what they read.
 */
export function wavesOf(desired: readonly KubeObject[]): KubeObject[][] {
  const waves: KubeObject[][] = [];
  let before: Stage | undefined;
  for (const object of desired) {
    const stage = stageOf(typeOf(object));
    const joins =
      before && before !== 'route' && stage !== 'route' && !(stage === 'pods' && before === 'other');
    if (joins) waves.at(-1)!.push(object);
    else waves.push([object]);
    before = stage;
  }
  return waves;
}

type Stage = 'route' | 'pods' | 'other';

function stageOf(type: ResourceType): Stage {
  if (ROUTES.includes(type)) return 'route';
  return WORKLOADS.includes(type) ? 'pods' : 'other';
}

/** Where the fault is the API server's or a webhook's, the answer does not say what was to be written. */
export async function naming<T>(object: string, write: Promise<T>): Promise<T> {
  return write.catch((error: unknown) => {
    throw isServerError(error) ? new WriteFailedError(object, error) : error;
  });
}

/** Waits for all, also when one fails: nothing of a reconcile may still be under way when the next begins. */
async function inParallel<T>(work: Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(work);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
