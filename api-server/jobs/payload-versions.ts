/**
 * Payload versions of each type of job. During a canary, workers of two images process jobs of each other: a worker
 * takes jobs of the versions that it can read, and the operator does not deliver an image whose jobs the stable one
 * cannot read. To change a payload, release an image that reads the new version first, and write it in the next
 * release.
 */
import type { JobPayloads, PayloadVersions } from '../../contract/image.js';

/** Version of jobs without one: images before this rule queued them. */
export const FIRST_VERSION = 1;

const UNCHANGED: PayloadVersions = {
  writes: FIRST_VERSION,
  readsFrom: FIRST_VERSION,
  readsTo: FIRST_VERSION,
};

/** By queue, of all jobs that the worker processes. `describe` and the report of `migrate up` contain them. */
export const JOB_PAYLOADS: JobPayloads = {
  'delivery-roll-up': UNCHANGED,
  retention: UNCHANGED,
  'event-retention': UNCHANGED,
  'webhook-relay': UNCHANGED,
  'webhook-delivery': UNCHANGED,
  'grafana-scan': UNCHANGED,
  'grafana-deployment': UNCHANGED,
};

export function versionsOf(payloads: JobPayloads, type: string): PayloadVersions {
  return payloads[type] ?? UNCHANGED;
}

export function readableVersions({ readsFrom, readsTo }: PayloadVersions): number[] {
  return Array.from({ length: Math.max(0, readsTo - readsFrom + 1) }, (_, index) => readsFrom + index);
}
