/**
 * Server-side apply that sends nothing when there is nothing to do. An annotation
 * holds a hash of what was applied, which tells a field that we no longer want; a
 * comparison with the live object tells what somebody else changed.
 */
import { createHash } from 'node:crypto';
import { type Difference, differences } from './difference.js';
import type { KubeClient } from './kube-client.js';
import type { KubeObject, ResourceType } from './kube-types.js';
import { lastOtherManager } from './managed-fields.js';

export type ApplyResult =
  | { outcome: 'unchanged' | 'created' | 'updated' }
  /** Somebody else had changed what is ours; it is put back. `fields` are paths such as `spec.replicas`. */
  | { outcome: 'drifted'; manager: string; fields: string[] };

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

  /** Brings one object to what is desired. `live` is what the caches know of it. Throws what the API server refuses. */
  async apply(type: ResourceType, desired: KubeObject, live: KubeObject | undefined): Promise<ApplyResult> {
    const { annotation, fieldManager, onWrite } = this.options;
    const hash = hashOf(desired);
    if (live && this.settled.get(live) === hash) return { outcome: 'unchanged' };
    const sameAsApplied = live?.metadata.annotations?.[annotation] === hash;
    const drift = live && sameAsApplied ? differences(desired, live, fieldManager) : [];
    if (live && sameAsApplied && drift.length === 0) {
      this.settled.set(live, hash);
      return { outcome: 'unchanged' };
    }
    const written = await this.client.apply(type, annotated(desired, annotation, hash), {
      fieldManager,
      force: true,
    });
    onWrite?.(type, written);
    return this.resultOf(written, live, drift, hash);
  }

  private resultOf(
    written: KubeObject,
    live: KubeObject | undefined,
    drift: Difference[],
    hash: string,
  ): ApplyResult {
    if (!live) return { outcome: 'created' };
    if (written.metadata.resourceVersion === live.metadata.resourceVersion) {
      // The API server finds no difference, or its defaults and webhooks always make this one: asking again changes nothing.
      this.settled.set(live, hash);
      return { outcome: 'unchanged' };
    }
    if (drift.length === 0) return { outcome: 'updated' };
    const managed = live.metadata.managedFields ?? [];
    const manager = lastOtherManager(
      managed,
      this.options.fieldManager,
      drift.map(({ fieldPath }) => fieldPath),
    );
    return { outcome: 'drifted', manager, fields: drift.map(({ path }) => path) };
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
  return createHash('sha256').update(JSON.stringify(object, sortedKeys)).digest('hex').slice(0, 16);
}

function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
