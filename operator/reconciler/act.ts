/** Writes the planned objects that differ from the live ones. */
import { FIELD_MANAGER, FINALIZER, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import { BACKUP_KINDS, DeploymentKind, JobKind, PcfApiKind, ROUTES, typeOf } from '../resources/kinds.js';
import { ADOPT_ORPHANS_ANNOTATION, hasLabelsOf, isOrphanOf, isOwnedBy } from '../resources/metadata.js';
import { SURROUNDING_KINDS } from '../resources/surroundings.js';
import { type Applier, type ApplyResult, ExistsError } from '../runtime/apply.js';
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
import { type RepairLoop, RepairLoopTracker } from '../runtime/repair-loops.js';
import { keyOf } from '../runtime/store.js';
import type { RouteEdit } from '../traffic/shared.js';
import type { Caches } from './caches.js';

/** An edit of an owned object by another field manager that was reverted. */
export interface Repair {
  kind: string;
  name: string;
  manager: string;
  fields: string[];
}

/** The result of {@link Actor.apply}. */
export interface Applied {
  repairs: Repair[];
  /** Whether anything was written. */
  changed: boolean;
  /** Whether a route was written. */
  routeChanged: boolean;
  /** When to reconcile again because of a postponed repair, or a repair loop that may have ended. In milliseconds. */
  lookAgainMs: number | undefined;
  /** The error of a write of pods, or of best-effort objects, on which no other write depends. */
  failure?: unknown;
}

/** Objects that create pods, which need the objects that were written before them. */
const WORKLOADS: readonly ResourceType[] = [DeploymentKind, JobKind];
/** Objects that neither pods nor the route need: if a write of one fails, the others are written all the same. */
const BEST_EFFORT_KINDS: readonly ResourceType[] = [...SURROUNDING_KINDS, ...BACKUP_KINDS];

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

/** The API server failed during a write, for instance because an admission webhook did not respond. */
export class WriteFailedError extends Error {
  override readonly name = 'WriteFailedError';
  constructor(
    /** Kind and name of the object. */
    readonly object: string,
    cause: KubeApiError,
  ) {
    super(`${object}: ${cause.message}`, { cause });
  }

  /** Error message of the API server. */
  get answer(): string {
    return (this.cause as KubeApiError).message;
  }
}

interface ApplyRun extends Omit<Applied, 'lookAgainMs'> {
  /** Times until a reconcile is due. In milliseconds. */
  waits: number[];
}

export class Actor {
  constructor(
    private readonly client: KubeClient,
    private readonly applier: Applier,
    private readonly caches: Caches,
    private readonly repairLoops = new RepairLoopTracker(),
  ) {}

  /**
   * Applies the desired objects in order; what may be written at the same time is written in parallel. A user's own
   * route is written where ours would be: before the pods. Throws the first error, except errors of pods, of objects
   * after them, and of best-effort objects: no later write depends on those, and neither does the removal of another
   * revision, because the route was written before.
   */
  async apply(api: PcfApi, desired: readonly KubeObject[], routeEdit?: RouteEdit): Promise<Applied> {
    const run: ApplyRun = { repairs: [], waits: [], changed: false, routeChanged: false, failure: undefined };
    const waves = wavesOf(desired);
    const firstPods = waves.findIndex((wave) => wave.some((object) => WORKLOADS.includes(typeOf(object))));
    const beforePods = firstPods < 0 ? waves.length : firstPods;
    for (const wave of waves.slice(0, beforePods)) await this.applyWave(api, wave, run, BEST_EFFORT_KINDS);
    if (routeEdit) await this.editRoute(api, routeEdit, run);
    for (const wave of waves.slice(beforePods)) await this.applyWave(api, wave, run, 'all kinds');
    const endsInMs = this.repairLoops.endsInMs(keyOf(api));
    if (endsInMs !== undefined) run.waits.push(endsInMs);
    const { waits, ...applied } = run;
    return { ...applied, lookAgainMs: waits.length > 0 ? Math.min(...waits) : undefined };
  }

  /** `optional`: kinds whose errors do not stop the reconcile. */
  private async applyWave(
    api: PcfApi,
    wave: readonly KubeObject[],
    run: ApplyRun,
    optional: readonly ResourceType[] | 'all kinds',
  ): Promise<void> {
    const results = await inParallel(
      wave.map((object) =>
        this.applyOne(api, object, run.waits).catch((error: unknown) => {
          const type = typeOf(object);
          const isOptional = optional === 'all kinds' || optional.includes(type);
          if (!isOptional || isConnectionError(error)) throw error;
          // The error of pods, which blocks the delivery, is reported in preference to others.
          run.failure = WORKLOADS.includes(type) ? error : (run.failure ?? error);
          return { outcome: 'failed' } as const;
        }),
      ),
    );
    for (const [index, result] of results.entries()) {
      const { kind, metadata } = wave[index]!;
      if (result.outcome === 'drifted') {
        const { manager, fields } = result;
        run.repairs.push({ kind, name: metadata.name, manager, fields });
      }
      if (result.outcome === 'unchanged' || result.outcome === 'left' || result.outcome === 'failed')
        continue;
      run.changed = true;
      run.routeChanged ||= ROUTES.includes(typeOf(wave[index]!));
    }
  }

  /** Other managers that revert our repairs repeatedly. Further repairs of these fields are delayed, with backoff. */
  repairLoopsFor(key: string): RepairLoop[] {
    return this.repairLoops.loopsOf(key);
  }

  /** Discards the state of a deleted PcfApi. */
  forget(key: string): void {
    this.repairLoops.forget(key);
  }

  private async applyOne(api: PcfApi, object: KubeObject, waits: number[]): Promise<ApplyResult> {
    const type = typeOf(object);
    const owner = keyOf(api);
    const name = `${object.kind} ${object.metadata.name}`;
    const mayRepair = ({ manager }: { manager: string }) => {
      const waitMs = this.repairLoops.waitMs(owner, name, manager);
      if (waitMs > 0) waits.push(waitMs);
      return waitMs === 0;
    };
    const known = this.caches.named(type, api, object.metadata.name);
    if (known) requireOwnership(api, type, known);
    const written = this.applier.apply(type, object, known, { mayRepair }).catch(async (error) => {
      if (!(error instanceof ExistsError)) throw error;
      return this.applier.apply(type, object, await this.unlabelled(type, api, object), { mayRepair });
    });
    const result = await withObjectName(name, written);
    if (result.outcome === 'drifted') {
      this.repairLoops.repaired(owner, { object: name, manager: result.manager, fields: result.fields });
    }
    return result;
  }

  /** Removes our rules from users' routes. */
  async release(edits: readonly RouteEdit[]): Promise<void> {
    for (const edit of edits) await this.patchRoute(edit);
  }

  /** Rejected if the route changed since it was read: the next reconcile reads it again. */
  private async patchRoute({ type, live, patch }: RouteEdit): Promise<void> {
    const { namespace, name } = live.metadata;
    const patched = this.client.patch(type, namespace, name, patch, { fieldManager: FIELD_MANAGER });
    const written = await withObjectName(`${type.kind} ${name}`, patched);
    this.caches.noteRouteWrite(type, written);
  }

  /** A repair of a user's route is postponed if another manager reverts it repeatedly. */
  private async editRoute(api: PcfApi, edit: RouteEdit, run: ApplyRun): Promise<void> {
    const { kind, metadata } = edit.live;
    const object = `${kind} ${metadata.name}`;
    const fields = [edit.field];
    const paths = [edit.field.split('.').map((step) => `f:${step}`)];
    const manager = lastOtherManager(metadata.managedFields ?? [], FIELD_MANAGER, paths);
    const waitMs = edit.drifted ? this.repairLoops.waitMs(keyOf(api), object, manager) : 0;
    if (waitMs > 0) {
      run.waits.push(waitMs);
      return;
    }
    await this.patchRoute(edit);
    run.changed = true;
    run.routeChanged = true;
    if (!edit.drifted) return;
    this.repairLoops.repaired(keyOf(api), { object, manager, fields });
    run.repairs.push({ kind, name: metadata.name, manager, fields });
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
      const deletion = this.client.delete(type, namespace, name, options);
      await withObjectName(`${type.kind} ${name}`, deletion).catch((error: unknown) => {
        if (isConnectionError(error)) throw error;
        if (!isNotFound(error)) failure ??= error;
      });
    }
    if (failure) throw failure;
  }

  /** Adds or removes our finalizer, unless the object changed meanwhile. Returns the written object. */
  async setFinalizer({ metadata }: PcfApi, present: boolean): Promise<PcfApi> {
    const others = (metadata.finalizers ?? []).filter((name) => name !== FINALIZER);
    const finalizers = present ? [...others, FINALIZER] : others;
    const { namespace, name, resourceVersion } = metadata;
    const patch = { metadata: { finalizers, resourceVersion } };
    const written = await this.client.patch(PcfApiKind, namespace, name, patch, {
      fieldManager: FIELD_MANAGER,
    });
    if (present) this.caches.pcfApis.noteWrite(written);
    return written as unknown as PcfApi;
  }

  /**
   * Sets or removes `spec.replicas`, unless the object changed meanwhile. It does not use the scale
   * subresource: managedFields lacks a first write there, and the manager of the field would be unrecorded.
   */
  async setReplicas({ metadata }: PcfApi, replicas: number | null): Promise<void> {
    const { namespace, name, resourceVersion } = metadata;
    const patch = { metadata: { resourceVersion }, spec: { replicas } };
    const written = this.client.patch(PcfApiKind, namespace, name, patch, { fieldManager: FIELD_MANAGER });
    this.caches.pcfApis.noteWrite(await withObjectName(`replicas of ${name}`, written));
  }

  /**
   * Reads an object from the API server. The caches contain only objects with our label, so it may exist outside
   * of them: one of ours whose label was removed, or a foreign one, which a forced apply would take over.
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
 * Groups of objects that can be written at the same time. A route is written after all objects before it, and before
 * all objects after it; pods after the objects that they read.
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

/** Adds the object to an error of the API server or a webhook, whose message does not name it. */
export async function withObjectName<T>(object: string, write: Promise<T>): Promise<T> {
  return write.catch((error: unknown) => {
    throw isServerError(error) ? new WriteFailedError(object, error) : error;
  });
}

/** Waits for all, even if one fails: no write may be pending when the next reconcile starts. */
async function inParallel<T>(work: Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(work);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
