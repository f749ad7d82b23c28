/** Whether the workers of two revisions can process the jobs that the other revision queues. */
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import type { JobPayloads, PayloadVersions } from '../api/v1alpha1/status/job-payloads.js';
import type { DeliveryContext } from './context.js';
import type { Observation, RevisionView } from './observation.js';
import { isMigrated } from './revision-view.js';
import { wasServed } from './schema-check.js';

/** Payloads of an image that reports none. */
const UNREPORTED: PayloadVersions = { writes: 1, readsFrom: 1, readsTo: 1 };

/** A revision with the payload versions that its image reports; undefined: none. */
export interface PayloadReport {
  name: string;
  payloads: JobPayloads | undefined;
}

/**
 * Why the new revision gets no worker, and no traffic: one of the two revisions queues jobs that the other one cannot
 * process. Undefined if there is no such job, without a canary of the worker, and for a revision that was stable
 * before: returning to it must always be possible, and its workers do not take such jobs.
 */
export function incompatibleJobs(context: DeliveryContext): string | undefined {
  const { canary, stable, position, spec } = context;
  if (!canary || !stable || !spec.workers) return undefined;
  // Its payload versions are in the report of expand.
  if (!isMigrated(canary)) return undefined;
  if (position.undo || wasServed(context, canary)) return undefined;
  const report = (view: RevisionView): PayloadReport => ({
    name: view.name,
    payloads: view.jobs ?? recordedJobs(position, view.name),
  });
  const [first, ...more] = unreadableJobs(report(stable), report(canary));
  if (!first) return undefined;
  return more.length > 0 ? `${first}; and ${more.length} more` : first;
}

/** Jobs of each revision that the other one cannot process, as sentences. */
export function unreadableJobs(stable: PayloadReport, canary: PayloadReport): string[] {
  return [...unreadableBy(stable, canary), ...unreadableBy(canary, stable), ...removedJobs(stable, canary)];
}

/** An image that reports payload versions, and not of a queue, processes no jobs of that queue. */
function unreadableBy(reader: PayloadReport, writer: PayloadReport): string[] {
  const queues = Object.keys({ ...reader.payloads, ...writer.payloads });
  return queues.flatMap((queue) => {
    if (writer.payloads && !writer.payloads[queue]) return [];
    if (reader.payloads && !reader.payloads[queue]) return [];
    const version = writer.payloads?.[queue]?.writes ?? UNREPORTED.writes;
    const { readsFrom, readsTo } = reader.payloads?.[queue] ?? UNREPORTED;
    if (readsFrom <= version && version <= readsTo) return [];
    return [`${reader.name} cannot read version ${version} of ${queue} jobs, which ${writer.name} queues`];
  });
}

/** Their waiting and failed jobs would stay in the queue after the promotion. A new queue is no problem. */
function removedJobs(stable: PayloadReport, canary: PayloadReport): string[] {
  const { payloads } = canary;
  if (!payloads) return [];
  return Object.keys(stable.payloads ?? {})
    .filter((queue) => !payloads[queue])
    .map((queue) => `${canary.name} does not process ${queue} jobs, which ${stable.name} queues`);
}

type KnownMigrations = NonNullable<DeliveryPosition['knownMigrations']>;

/** Records the report of the revision being delivered, because its Job and pod can be deleted while it is stable. */
export function recordJobs(
  { position: { update }, revisions }: Pick<Observation, 'position' | 'revisions'>,
  knownMigrations: KnownMigrations,
): KnownMigrations {
  const jobs = revisions.find(({ name }) => name === update)?.jobs;
  if (!jobs) return knownMigrations;
  return knownMigrations.map((known) => (known.revision === update ? { ...known, jobs } : known));
}

function recordedJobs({ knownMigrations }: DeliveryPosition, revision: string): JobPayloads | undefined {
  return knownMigrations?.find((known) => known.revision === revision)?.jobs;
}
