/** State of the contract of a revision, of what precedes it, and of its window, read from their Jobs. Pure. */
import type { MigrationReport } from '../../contract/image.js';
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { ContractView, MigrationStage } from '../delivery/observation.js';
import { beforeContractKind, JobKind } from '../resources/kinds.js';
import { LABELS } from '../resources/metadata.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { backupView, hookName } from './hook.js';
import { absentJob, type Job, type JobView, wasCreatedBy } from './job-view.js';
import { attemptOf, migrationJobName } from './migration-job.js';
import { type RecordedContract, windowView } from './window-view.js';

/** The other fields concern the Job that ran last. */
interface ReportedContract {
  contract: ContractView;
  contractError?: string;
  report?: MigrationReport;
  stage?: MigrationStage;
  job?: string;
}

interface ContractJobs {
  spec: PcfApi['spec'];
  revision: string;
  /** All Jobs of the revision. */
  own: readonly Job[];
  promotedAt: string | undefined;
  recorded: RecordedContract | undefined;
}

/** Reads the state of the hook object of a name; undefined if the spec has no hook. */
export function hookReader(
  { migrations }: PcfApi['spec'],
  objects: readonly KubeObject[],
  read: (name: string) => JobView,
): ((name: string) => JobView) | undefined {
  if (!migrations?.beforeContract) return undefined;
  const { kind } = beforeContractKind(migrations.beforeContract);
  if (kind === JobKind.kind) return read;
  const isOf = (object: KubeObject, name: string) => object.kind === kind && object.metadata.name === name;
  return (name) =>
    backupView(
      name,
      objects.find((object) => isOf(object, name)),
    );
}

/** The last contract Job counts, unless a restore has reversed it. Each has a backup of its own before it. */
export function contractView(
  { spec, revision, own, promotedAt, recorded }: ContractJobs,
  readHook: ((name: string) => JobView) | undefined,
  read: (name: string) => JobView,
): ReportedContract {
  const numbers = own
    .filter(({ metadata }) => metadata.labels?.[LABELS.stage] === 'contract')
    .map(({ metadata }) => attemptOf(metadata.name, revision, 'contract'));
  const last = Math.max(0, ...numbers);
  const readAttempt = (attempt: number) => read(migrationJobName(revision, 'contract', attempt));
  const existing = readAttempt(last);
  const isReversed = (one: JobView) => wasCreatedBy(one, recorded?.restoredAt);
  const before = last > 1 ? readAttempt(last - 1) : undefined;
  const isRepetition = before?.state === 'Lost' && !isReversed(before);
  const isRepeated = existing.state === 'Lost' && !isRepetition && needsReport(spec, revision, recorded);
  const job = isReversed(existing) || isRepeated ? absentJob(existing.name) : existing;
  const hook = readHook && hookView(revision, promotedAt, last + 1, readHook);
  const { window, isRestored, ...ended } = windowView({ revision, own, recorded, read }, job, last);
  // The hook has the next number: if it failed, it did so after the Job.
  const isHooks = hook?.state === 'Failed' || hook?.state === 'Running' || existing.state === 'Absent';
  const latest = ended.job && !(isHooks && isRestored) ? ended.job : isHooks ? hook : job;
  const stage = latest === ended.job ? ended.stage : latest === job ? 'contract' : 'hook';
  const report = ended.job?.report ?? job.report;
  return {
    contract: {
      state: isRestored ? 'Absent' : job.state === 'Lost' ? 'Succeeded' : job.state,
      hook: !hook ? 'Disabled' : hook.state === 'Lost' ? 'Succeeded' : hook.state,
      attempt: hook?.attempt ?? last + 1,
      ...(hook ? { hookRun: hook.run } : {}),
      ...(hook?.finishedAt ? { hookFinishedAt: hook.finishedAt } : {}),
      window,
    },
    ...(report ? { report } : {}),
    ...(latest?.error ? { contractError: latest.error } : {}),
    ...(latest && latest.state !== 'Absent' ? { stage, job: latest.name } : {}),
  };
}

/** Without the report it is unknown what a restore can reverse. A contract that is repeated has nothing to do. */
function needsReport(
  { migrations }: PcfApi['spec'],
  revision: string,
  recorded: RecordedContract | undefined,
): boolean {
  const hasWindow = durationMs(migrations?.contractWindow ?? '0s') > 0;
  return hasWindow && recorded?.revision === revision && !recorded.done;
}

/** A failed backup is retried with the next number. An outdated backup is followed by another run of the same attempt. */
function hookView(
  revision: string,
  promotedAt: string | undefined,
  first: number,
  read: (name: string) => JobView,
): JobView & { attempt: number; run: number } {
  const readRun = (run: number) => ({ ...read(hookName(revision, promotedAt, first, run)), run });
  let hook = readRun(1);
  for (let later = readRun(2); later.state !== 'Absent'; later = readRun(later.run + 1)) hook = later;
  if (hook.state !== 'Failed') return { ...hook, attempt: first };
  const next = hookView(revision, promotedAt, first + 1, read);
  return next.state === 'Absent' ? { ...hook, attempt: first + 1, run: 1 } : next;
}
