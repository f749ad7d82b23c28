/** A revision in the model of a cluster, and its view in the observation of the planner. */
import type { JobState, MigrationState, RevisionView } from '../../../operator/delivery/observation.js';

export const STAGES = ['expand', 'backfill', 'contract', 'restore', 'purge'] as const;
type ModelStage = (typeof STAGES)[number];

export interface ModelRevision {
  replicas: number;
  ready: number;
  /** Terminating pods and workers, which may still use the schema. */
  leaving: number;
  workers: { replicas: number; ready: number };
  jobs: Record<ModelStage, JobState>;
  /** Creation of its contract and restore Jobs, by the clock of the API server. */
  createdAt: { contract?: string; restore?: string };
  /** End of the window of its contract. */
  hiddenUntil?: string;
  crashesSince?: string;
  /** Part of the position that its ControllerRevision records. */
  record?: RevisionView['record'];
}

export type Jobs = ModelRevision['jobs'];

/** Code versions, oldest first. Each contains its own contract migrations and those of earlier versions. */
export const CONTRACTS: Record<string, string[]> = { a: [], b: ['B'], c: ['B', 'C'], d: ['B', 'C'] };
const NUMBERS: Record<string, number> = { a: 1, b: 2, c: 3, d: 4 };

/** A revision without pods and Jobs. */
export function newRevision(): ModelRevision {
  const jobs = Object.fromEntries(STAGES.map((stage) => [stage, 'Absent'])) as Jobs;
  const workers = { replicas: 0, ready: 0 };
  return { replicas: 0, ready: 0, leaving: 0, workers, jobs, createdAt: {} };
}

/** The view of the operator. `schema` are the contract migrations of the database. */
export function revisionViewOf(
  name: string,
  { replicas, ready, leaving, workers, jobs, createdAt, crashesSince, record, hiddenUntil }: ModelRevision,
  schema: ReadonlySet<string>,
  lastRestoredAt = '',
): RevisionView {
  const hidden = (CONTRACTS[name] ?? []).map((migration) => ({ migration, until: hiddenUntil ?? '' }));
  const isEarlier = (time = '') => time !== '' && time <= lastRestoredAt;
  const restore = isEarlier(createdAt.restore) ? 'Absent' : jobs.restore;
  const contract = isEarlier(createdAt.contract) ? 'Absent' : jobs.contract;
  const isReported = hiddenUntil && contract === 'Succeeded';
  const window = {
    ...{ attempt: 1, restore, purge: jobs.purge, hidden: isReported ? hidden : [] },
    ...(restore === 'Succeeded' ? { jobCreatedAt: createdAt.restore } : {}),
  };
  const known = CONTRACTS[name] ?? [];
  const failed = jobs.expand === 'Failed' || jobs.backfill === 'Failed';
  return {
    ...{ name, replicas, ready, number: NUMBERS[name], image: `image-${name}`, workers },
    pods: ready + leaving + workers.ready,
    record,
    migration: migrationOf(jobs),
    nextStage: jobs.expand === 'Absent' ? 'expand' : isNext(jobs) ? 'backfill' : undefined,
    contracts: jobs.expand === 'Succeeded' ? known.filter((it) => !schema.has(it)) : undefined,
    ahead: [...schema].filter((it) => !known.includes(it)),
    contract: {
      state: restore === 'Succeeded' ? 'Absent' : contract,
      ...{ hook: 'Disabled', attempt: 1, window },
    },
    ...(failed ? { failure: { reason: 'MigrationFailed', message: 'it failed' } } : {}),
    ...(crashesSince && ready === 0
      ? { failure: { reason: 'CrashLoop', message: 'it crashes', since: crashesSince } }
      : {}),
  };
}

/** Migration state, derived from the Jobs as the operator does. */
function migrationOf({ expand, backfill }: Jobs): MigrationState {
  if (expand === 'Failed' || backfill === 'Failed') return 'Failed';
  if (expand === 'Running' || backfill === 'Running') return 'Running';
  return expand === 'Succeeded' && backfill === 'Succeeded' ? 'Succeeded' : 'Pending';
}

function isNext({ expand, backfill }: Jobs): boolean {
  return expand === 'Succeeded' && backfill === 'Absent';
}
