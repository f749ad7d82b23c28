/** State of the window after a contract, read from its Jobs. Pure. */
import type { MigrationReport } from '../../contract/image.js';
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import type { JobState, WindowView } from '../delivery/observation.js';
import { LABELS } from '../resources/metadata.js';
import { type Job, type JobView, wasCreatedBy } from './job-view.js';
import { attemptOf } from './migration-job.js';

/** The recorded contract, which shows the Jobs of earlier windows: they do not count. */
export type RecordedContract = Pick<
  NonNullable<DeliveryPosition['contracted']>,
  'revision' | 'done' | 'hidden' | 'purged' | 'restoredAt' | 'purgedAt'
>;

interface WindowJobs {
  revision: string;
  /** All Jobs of the revision. */
  own: readonly Job[];
  recorded?: RecordedContract;
  read: (name: string) => JobView;
}

interface EndingJob {
  stage: 'restore' | 'purge';
  number: number;
  job: JobView;
  /** It belongs to an earlier window. */
  isEarlier: boolean;
}

export interface EndedWindow {
  window: WindowView;
  /** The last Job of restore or purge, if it is newer than the contract Job. */
  job?: JobView;
  stage?: 'restore' | 'purge';
  isRestored: boolean;
}

/** `contract` is the last contract Job of the revision, with the number `last`; absent if a restore reversed it. */
export function windowView(jobs: WindowJobs, contract: JobView, last: number): EndedWindow {
  const all = endingJobs(jobs);
  const first = Math.max(1, last);
  const newer = all.filter(({ number }) => number >= first).toSorted((a, b) => b.number - a.number);
  const own = newer.filter(({ isEarlier }) => !isEarlier);
  const [restore, purge] = (['restore', 'purge'] as const).map((wanted) =>
    own.find(({ stage }) => stage === wanted),
  );
  // After the restore is recorded it is still what ran last.
  const before = contract.state === 'Absent' ? newer.find(({ stage }) => stage === 'restore') : undefined;
  const shown = restore ?? purge ?? before;
  const ended = [restore, purge].find((one) => stateOf(one) === 'Succeeded');
  const window = {
    // The name of a new Job must differ from those of earlier windows.
    attempt: Math.max(first, ...all.filter(({ isEarlier }) => isEarlier).map(({ number }) => number + 1)),
    hidden: hiddenOf(contract.report),
    restore: stateOf(restore),
    purge: stateOf(purge),
    ...(ended?.job.createdAt ? { jobCreatedAt: ended.job.createdAt } : {}),
  };
  const isRestored = shown?.stage === 'restore' && stateOf(shown) === 'Succeeded';
  return { window, ...(shown ? { job: shown.job, stage: shown.stage } : {}), isRestored };
}

function endingJobs({ revision, own, recorded, read }: WindowJobs): EndingJob[] {
  const { restoredAt, purgedAt, purged } = recorded ?? {};
  return own.flatMap(({ metadata: { name, labels } }) => {
    const stage = labels?.[LABELS.stage];
    if (stage !== 'restore' && stage !== 'purge') return [];
    const job = stage === 'purge' ? completed(read(name), recorded) : read(name);
    // The purge that ended this window still counts.
    const isPurged = wasCreatedBy(job, purgedAt) && !(purged && stage === 'purge');
    const isEarlier = wasCreatedBy(job, restoredAt) || isPurged;
    return { stage, job, isEarlier, number: attemptOf(name, revision, stage) };
  });
}

/** A purge drops nothing whose window has not ended by the clock of the database. */
function completed(purge: JobView, recorded: RecordedContract | undefined): JobView {
  const left = purge.report?.hidden?.map(({ migration }) => migration) ?? [];
  const missed = recorded?.hidden?.filter(({ migration }) => left.includes(migration)) ?? [];
  if (purge.state !== 'Succeeded' || missed.length === 0) return purge;
  const names = missed.map(({ migration }) => migration).join(', ');
  const error = `${names} are not purged: the clock of the database is behind that of the operator`;
  return { ...purge, state: 'Failed', error };
}

function stateOf(ending: EndingJob | undefined): JobState {
  if (!ending) return 'Absent';
  const { state } = ending.job;
  return state === 'Lost' ? 'Succeeded' : state;
}

/** Only the fields of the status: an image may report more. */
function hiddenOf(report: MigrationReport | undefined): WindowView['hidden'] {
  return (report?.hidden ?? []).map(({ migration, until, objects }) => ({
    ...{ migration, until },
    ...(objects ? { objects } : {}),
  }));
}
