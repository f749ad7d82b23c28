/**
 * Server-side apply that sends nothing when there is nothing to do. An annotation
 * holds a hash of what was applied, which tells a field that we no longer want; a
 * comparison with the live object tells what somebody else changed.
 */
import { hash } from 'node:crypto';
import { canonicalJson } from './canonical-json.js';
import { type Difference, differences } from './difference.js';
import { isConflict, type KubeClient } from './kube-client.js';
import type { KubeObject, ResourceType } from './kube-types.js';
import { lastOtherManager } from './managed-fields.js';

export type ApplyResult =
  | { outcome: 'unchanged' | 'created' | 'updated' }
  /** Somebody else had changed what is ours; it is put back. `fields` are paths such as `spec.replicas`. */
  | ({ outcome: 'drifted' } & Drift)
  /** The same, and it is left so for now: `mayRepair` said no. */
  | ({ outcome: 'left' } & Drift);

export interface Drift {
  manager: string;
  fields: string[];
}

export interface ApplyOptions {
  /** Whether the change of somebody else may be put back now. Yes when left out. */
  mayRepair?: (drift: Drift) => boolean;
}

/** The object is not in the caches and exists all the same. */
export class ExistsError extends Error {
  override readonly name = 'ExistsError';
}

/** A version that no object has: an apply that names it can create, and can't change what exists. */
const NO_VERSION = '1';

export interface ApplierOptions {
  fieldManager: string;
  /** Annotation that holds the hash. */
  annotation: string;
  /** Told of what the API server answered, so that caches can take it in. */
  onWrite?: (type: ResourceType, written: KubeObject) => void;
}

export class Applier {
  /** Hash that a live object was found to match. It is a new object whenever it changed. */
  private readonly settled = new WeakMap<KubeObject, string>();

  constructor(
    private readonly client: KubeClient,
    private readonly options: ApplierOptions,
  ) {}

  /**
   * Brings one object to what is desired. `live` is what the caches know of it; without it
   * the object is created, or an {@link ExistsError} thrown. Throws what the API server refuses.
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
      // The API server finds no difference, or its defaults and webhooks always make this one: asking again changes nothing.
      this.settled.set(live, wanted);
      return { outcome: 'unchanged' };
    }
    return found ? { outcome: 'drifted', ...found } : { outcome: 'updated' };
  }

  /** What somebody else changed; undefined when it is we who want something else than we last applied. */
  private driftOf(object: KubeObject, live: KubeObject, wanted: string): Difference[] | undefined {
    const { annotation, fieldManager } = this.options;
    const applied = live.metadata.annotations?.[annotation];
    // Without the annotation it was replaced as a whole, by somebody who did not know of it.
    return applied === undefined || applied === wanted ? differences(object, live, fieldManager) : undefined;
  }

  private describe(drift: Difference[], live: KubeObject): Drift {
    const paths = drift.map(({ fieldPath }) => fieldPath);
    const manager = lastOtherManager(live.metadata.managedFields ?? [], this.options.fieldManager, paths);
    return { manager, fields: drift.map(({ path }) => path) };
  }

  /** One request, which fails when the object exists: no need to look first. */
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

function annotated(desired: KubeObject, annotation: string, hash: string): KubeObject {
  const { metadata } = desired;
  return {
    ...desired,
    metadata: { ...metadata, annotations: { ...metadata.annotations, [annotation]: hash } },
  };
}

/** The same for objects that differ only in the order of their keys. */
function hashOf(object: KubeObject): string {
  return hash('sha256', canonicalJson(object)).slice(0, 16);
}
