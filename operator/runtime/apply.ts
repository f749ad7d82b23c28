/**
 * Server-side apply that sends nothing when there is nothing to do. An annotation
 * holds a hash of what was applied, which tells a field that we no longer want; a
 * comparison with the live object tells what somebody else changed.
 */
import { createHash } from 'node:crypto';
import { differences } from './difference.js';
import type { KubeClient, KubeObject, ManagedFields, ResourceType } from './kube-client.js';

export type ApplyResult =
  | { outcome: 'unchanged' | 'created' | 'updated' }
  /** Somebody else had changed what is ours; it is put back. */
  | { outcome: 'drifted'; manager: string; fields: string[] };

export class Applier {
  constructor(
    private readonly client: KubeClient,
    private readonly options: {
      fieldManager: string;
      /** Annotation that holds the hash. */
      annotation: string;
      /** Told of what the API server answered, so that caches can take it in. */
      onWrite?: (type: ResourceType, written: KubeObject) => void;
    },
  ) {}

  /** Brings one object to what is desired. `live` is what the caches know of it. Throws what the API server refuses. */
  async apply(type: ResourceType, desired: KubeObject, live: KubeObject | undefined): Promise<ApplyResult> {
    const { annotation, fieldManager, onWrite } = this.options;
    const hash = createHash('sha256').update(JSON.stringify(desired)).digest('hex').slice(0, 16);
    const sameAsApplied = live?.metadata.annotations?.[annotation] === hash;
    const fields = live ? differences(desired, live) : [];
    if (sameAsApplied && fields.length === 0) return { outcome: 'unchanged' };

    const { metadata } = desired;
    const object = {
      ...desired,
      metadata: { ...metadata, annotations: { ...metadata.annotations, [annotation]: hash } },
    };
    const written = await this.client.apply(type, object, { fieldManager, force: true });
    onWrite?.(type, written);
    if (!live) return { outcome: 'created' };
    if (!sameAsApplied) return { outcome: 'updated' };
    return { outcome: 'drifted', manager: lastOtherManager(live, fieldManager), fields };
  }
}

/** The manager other than ours that touched the object last, status aside. */
function lastOtherManager(live: KubeObject, ours: string): string {
  const others = (live.metadata.managedFields ?? []).filter(
    ({ manager, subresource }: ManagedFields) => manager !== ours && !subresource,
  );
  const newestFirst = others.sort((a, b) => (b.time ?? '').localeCompare(a.time ?? ''));
  return newestFirst[0]?.manager ?? 'an unknown manager';
}
