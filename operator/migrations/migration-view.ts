/** State of the migrations of a revision, read from their Jobs, and the next Job. Pure. */
import type { JobPayloads, MigrationReport, SchemaCheck } from '../../contract/image.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { BackfillStatus } from '../api/v1alpha1/status/migration.js';
import type { ContractView, MigrationStage, MigrationState } from '../delivery/observation.js';
import { JobKind } from '../resources/kinds.js';
import { LABELS } from '../resources/metadata.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { contractView, hookReader } from './contract-view.js';
import { type Job, type JobView, jobView, type LiveReports, type PodLike } from './job-view.js';
import { attemptOf, migrationJobName } from './migration-job.js';
import type { RecordedContract } from './window-view.js';

export interface MigrationView {
  /** State of expand and backfill together. */
  state: MigrationState;
  /** The next Job, see {@link preparationJob}. */
  nextStage?: 'plan' | 'expand' | 'backfill';
  nextAttempt?: number;
  /** The stage that runs or ran last, including contract. */
  stage?: MigrationStage;
  job?: string;
  /** Report of its newest run. */
  report?: MigrationReport;
  /** Progress of the newest backfill, from any run. */
  progress?: BackfillStatus;
  /** Last line of the error message. */
  error?: string;
  /** Number of failed runs of the Job. */
  failures: number;
  /** Number of Jobs of expand and backfill that failed permanently, or whose result was lost. */
  failedMigrations: number;
  /** Number of the last of its Jobs of expand and backfill, including plan. */
  lastMigration: number;
  /** All migrations that expand and backfill applied. */
  applied: string[];
  durationMs?: number;
  /** Contract migrations that were pending when expand succeeded. */
  contracts?: string[];
  ahead?: string[];
  /** Expand succeeded without a readable report. */
  unreported?: boolean;
  /** Whether expand reported a backfill, or may have. */
  backfill?: boolean;
  /** Check of the GraphQL schema, as expand reported. */
  schemaCheck?: SchemaCheck;
  /** Payload versions of the jobs of its image, as expand reported. */
  jobs?: JobPayloads;
  contract: ContractView;
  /** Error of contract, or of its hook. */
  contractError?: string;
}

/** The part of the recorded position that concerns migrations of the revision. */
export interface Delivery {
  attempt?: number;
  /** Jobs of earlier attempts do not count: the database may have lost their changes. */
  rerunMigrations?: boolean;
  promotedAt?: string;
  /** The recorded part of its reports: the reports themselves may no longer exist. */
  recorded?: { backfill?: boolean; backfilled?: boolean; progress?: BackfillStatus };
  contracted?: RecordedContract;
  live?: LiveReports;
}

type Preparation = 'plan' | 'expand' | 'backfill';
type Numbered = JobView & { attempt: number };
type Find = (stage: Preparation) => Numbered;

/** `jobs`: also the objects of the hook before contract. */
export function migrationView(
  { spec }: PcfApi,
  revision: string,
  jobs: readonly KubeObject[],
  pods: readonly KubeObject[],
  { attempt, rerunMigrations, promotedAt, recorded, contracted, live }: Delivery = {},
): MigrationView {
  const mode = spec.migrations?.mode ?? 'Automatic';
  const none: ContractView = { state: 'Absent', hook: 'Disabled', attempt: 1 };
  if (mode === 'Disabled') return { ...NOTHING, state: 'Disabled', contract: none };
  const all = jobs.filter(({ metadata }) => metadata.labels?.[LABELS.revision] === revision);
  const own = all.filter(({ kind }) => kind === JobKind.kind) as Job[];
  const views = new Map<string, JobView>(); // a report is parsed once
  const read = (name: string) => {
    const view = views.get(name) ?? jobView(name, own, pods as PodLike[], live);
    views.set(name, view);
    return view;
  };
  const named = (stage: MigrationStage) => own.filter((job) => job.metadata.labels?.[LABELS.stage] === stage);
  const stages = ['plan', 'expand', 'backfill'] as const;
  const preparing = stages.flatMap((stage) =>
    named(stage).map(({ metadata: { name } }) => ({ stage, name })),
  );
  const failedMigrations = preparing.filter(({ name }) =>
    ['Failed', 'Lost'].includes(read(name).state),
  ).length;
  const lastMigration = Math.max(0, ...preparing.map(({ stage, name }) => attemptOf(name, revision, stage)));
  const find: Find = (stage) => {
    const tries = named(stage)
      .map(({ metadata: { name } }) => ({ ...read(name), attempt: attemptOf(name, revision, stage) }))
      .filter((one) => !rerunMigrations || one.attempt >= (attempt ?? 1))
      .sort((a, b) => b.attempt - a.attempt);
    const [last] = tries;
    // The last attempt counts: the database may have lost the changes of earlier ones.
    const isDone = last?.state === 'Succeeded' || (isRecorded(stage, recorded) && last?.state === 'Lost');
    if (last && isDone) return { ...last, state: 'Succeeded', attempt: attempt ?? last.attempt };
    return newest(stage, revision, attempt ?? firstOfLost(tries), read);
  };
  const contract = contractView(
    { spec, revision, own, promotedAt, recorded: contracted },
    hookReader(spec, all, read),
    read,
  );
  const before = preparedView(find, mode === 'Manual', recorded);
  const { report } = contract;
  const applied = report ? [...before.applied, ...report.applied] : before.applied;
  // Newest first. Expand ran before the backfill, so its report counts only if there is no other.
  const progress =
    progressOf(report) ??
    progressOf(find('backfill').report) ??
    recorded?.progress ??
    progressOf(find('expand').report);
  return { ...before, failedMigrations, lastMigration, ...contract, applied, progress };
}

/** Whether the report of a stage is recorded, so that its Job need not run again. */
function isRecorded(stage: Preparation, recorded: Delivery['recorded']): boolean {
  return stage === 'expand'
    ? recorded !== undefined
    : stage === 'backfill' && (recorded?.backfilled ?? false);
}

const NOTHING = { failures: 0, failedMigrations: 0, lastMigration: 0, applied: [] };

/** The number of the last attempt, or of the one before it if that one's result was lost and the last one repeats it. */
function firstOfLost([last, before]: readonly Numbered[]): number {
  return before?.state === 'Lost' ? before.attempt : (last?.attempt ?? 1);
}

/** A Job whose result was lost is run once more: it has nothing to do, and reports that. */
function newest(
  stage: MigrationStage,
  revision: string,
  attempt: number,
  read: (name: string) => JobView,
): Numbered {
  const job = read(migrationJobName(revision, stage, attempt));
  if (job.state !== 'Lost') return { ...job, attempt };
  const again = read(migrationJobName(revision, stage, attempt + 1));
  const state = again.state === 'Lost' ? 'Succeeded' : again.state;
  return { ...again, state, attempt: attempt + 1 };
}

type Prepared = Omit<MigrationView, 'failedMigrations' | 'lastMigration' | 'contract' | 'contractError'>;

/** Plan if approval is required, then expand, then backfill if there is one. */
function preparedView(find: Find, manual: boolean, recorded: Delivery['recorded']): Prepared {
  const expand = find('expand');
  if (expand.state === 'Absent' && manual) {
    const plan = find('plan');
    if (plan.state === 'Absent') return { ...NOTHING, state: 'Pending', ...next('plan', plan) };
    if (plan.state !== 'Succeeded') return at('plan', plan, stateOf(plan.state));
    const isEmpty = plan.report && plan.report.pending.length === 0;
    return { ...at('plan', plan, isEmpty ? 'Pending' : 'Planned'), ...next('expand', expand) };
  }
  if (expand.state === 'Absent') return { ...NOTHING, state: 'Pending', ...next('expand', expand) };
  const backfill = find('backfill');
  if (expand.state !== 'Succeeded')
    return { ...at('expand', expand, stateOf(expand.state)), ...reported(expand) };
  const needed = needsBackfill(expand.report, recorded);
  const done = { ...reported(expand), backfill: needed };
  if (backfill.state === 'Absent' && !needed) return { ...at('expand', expand, 'Succeeded'), ...done };
  if (backfill.state === 'Absent') {
    return { ...at('expand', expand, 'Pending'), ...done, ...next('backfill', backfill) };
  }
  return { ...at('backfill', backfill, stateOf(backfill.state)), ...done, ...reported(expand, backfill) };
}

function next(nextStage: Preparation, { attempt }: Numbered): Partial<Prepared> {
  return { nextStage, nextAttempt: attempt };
}

function at(stage: MigrationStage, job: JobView, state: MigrationState): Prepared {
  const { report, error, failures, name } = job;
  return { ...NOTHING, state, stage, job: name, report, error, failures };
}

function stateOf(state: JobView['state']): MigrationState {
  return state === 'Absent' || state === 'Lost' ? 'Pending' : state;
}

/** Without any report a backfill Job is run: with nothing to do, it finishes at once. */
function needsBackfill(report: MigrationReport | undefined, recorded: Delivery['recorded']): boolean {
  if (!report) return recorded ? (recorded.backfill ?? false) : true;
  if (report.backfills) return report.backfills.length > 0;
  return report.phases !== undefined && report.pending.length > 0;
}

/** The combined reports of expand and backfill. */
function reported(...jobs: JobView[]): Partial<Prepared> {
  const reports = jobs.flatMap(({ report }) => report ?? []);
  const [expand] = jobs;
  const isDone = expand?.state === 'Succeeded';
  return {
    applied: reports.flatMap(({ applied }) => applied),
    ...(reports.length > 0
      ? { durationMs: reports.reduce((sum, { durationMs }) => sum + durationMs, 0) }
      : {}),
    ...(isDone ? reportedMigrations(expand.report) : {}),
    ...(isDone && expand.report?.schemaCheck ? { schemaCheck: expand.report.schemaCheck } : {}),
    ...(isDone && expand.report?.jobs ? { jobs: expand.report.jobs } : {}),
  };
}

/** A report that was lost, truncated or not written does not mean that there are no migrations. */
function reportedMigrations(report: MigrationReport | undefined): Partial<Prepared> {
  // `ahead` is truncated last: a name that is missing there would count as known to the image.
  const mayLackAhead = report?.truncated && !report.contracts?.length;
  if (!report || mayLackAhead) return { unreported: true };
  return { contracts: report.contracts ?? [], ahead: report.ahead ?? [] };
}

/** Only the fields of the status: an image may report more. */
function progressOf(report: MigrationReport | undefined): BackfillStatus | undefined {
  if (!report?.backfill) return undefined;
  const { name, rows, total, rowsPerSecond, secondsLeft, cancelled } = report.backfill;
  return {
    ...{ name, rows, total: Math.round(total), rowsPerSecond: Math.round(rowsPerSecond) },
    ...(secondsLeft == null ? {} : { secondsLeft: Math.round(secondsLeft) }),
    ...(cancelled ? { cancelled } : {}),
  };
}
