/** State and report of one migration Job, read from the Job and its pods. */
import { EXIT, type MigrationReport, migrationReportSchema } from '../../contract/image.js';
import type { JobState } from '../delivery/observation.js';
import { LABELS } from '../resources/metadata.js';
import type { KubeObject } from '../runtime/kube-types.js';

export interface JobView {
  name: string;
  /** `Lost`: the Job succeeded, and its pod with the report is deleted. {@link FinishedJobs} verifies the deletion. */
  state: JobState | 'Lost';
  /** Report of the newest run. */
  report?: MigrationReport;
  /** Last line of the error message. */
  error?: string;
  /** Number of failed runs. */
  failures: number;
  /** Time of its creation according to the API server. */
  createdAt?: string;
  /** Time of its success according to the controller that runs it, if that reports one. */
  finishedAt?: string;
}

/** Whether it was created at that time or earlier, both by the clock of the API server. */
export function wasCreatedBy({ createdAt }: JobView, time: string | undefined): boolean {
  return createdAt !== undefined && time !== undefined && Date.parse(createdAt) <= Date.parse(time);
}

export function absentJob(name: string): JobView {
  return { name, state: 'Absent', failures: 0 };
}

export interface Job extends KubeObject {
  status?: {
    active?: number;
    failed?: number;
    completionTime?: string;
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
  };
}

interface Terminated {
  reason?: string;
  message?: string;
  exitCode?: number;
  finishedAt?: string;
}

export interface PodLike extends KubeObject {
  status?: {
    phase?: string;
    containerStatuses?: { state?: { running?: object; terminated?: Terminated } }[];
  };
}

/** The last report in the log of a running pod. */
export type LiveReports = (pod: string) => MigrationReport | undefined;

/** Label of a pod with the name of its Job. */
export const JOB_NAME = 'batch.kubernetes.io/job-name';

/** `live` is for display only: no state depends on it. */
export function jobView(
  name: string,
  jobs: readonly Job[],
  pods: readonly PodLike[],
  live: LiveReports = () => undefined,
): JobView {
  const job = jobs.find(({ metadata }) => metadata.name === name);
  if (!job) return absentJob(name);
  const own = pods.filter((pod) => isPodOf(job, pod));
  const isComplete = trueCondition(job, 'Complete') !== undefined;
  const isDone = isComplete || (PREPARING.includes(stageOf(job)) && isAboutToComplete(job, own));
  const last = lastRun(own, isDone);
  const report = parseReport(last?.message);
  const createdAt = job.metadata.creationTimestamp;
  const base = {
    ...{ name, failures: job.status?.failed ?? 0 },
    ...(createdAt ? { createdAt } : {}),
    ...(report ? { report } : {}),
  };
  if (isDone) {
    const finishedAt = job.status?.completionTime;
    const finished = { ...base, ...(finishedAt ? { finishedAt } : {}) };
    if (last) return { ...finished, state: 'Succeeded' };
    // A pod that still runs according to the cache will report later.
    return { ...finished, state: own.every((pod) => runsIn(pod).length > 0) ? 'Lost' : 'Running' };
  }
  const failed = trueCondition(job, 'Failed') ?? trueCondition(job, 'FailureTarget');
  const message =
    report?.error ??
    (report || isHook(job) ? undefined : incompatibleImageError(last)) ??
    lastLine(last?.message);
  if (failed) return { ...base, state: 'Failed', error: message ?? failed.message ?? failed.reason };
  const error = last && last.exitCode !== 0 ? (message ?? `exit code ${last.exitCode}`) : undefined;
  const [current] = own.flatMap(({ metadata }) => live(metadata.name) ?? []);
  return { ...base, state: 'Running', ...(error ? { error } : {}), ...(current ? { report: current } : {}) };
}

/**
 * Stages that pods of the API wait for. One pod of their Job succeeds, so they are done with it: the Job controller
 * adds the condition Complete up to seconds later, because it delays the events of pods by a second, and each of its
 * two writes by the load of the cluster. The other stages need the time of the completion, or are waited for by no pod.
 */
const PREPARING: readonly (string | undefined)[] = ['expand', 'backfill'];

function stageOf({ metadata }: Job): string | undefined {
  return metadata.labels?.[LABELS.stage];
}

/**
 * Final: a succeeded pod is neither restarted nor, until its Job has counted it, deleted. From then on the Job has the
 * condition SuccessCriteriaMet.
 */
function isAboutToComplete(job: Job, pods: readonly PodLike[]): boolean {
  const isCounted = trueCondition(job, 'SuccessCriteriaMet') !== undefined;
  return isCounted || pods.some(({ status }) => status?.phase === 'Succeeded');
}

/** The program of a hook is the user's own and has no command `migrate`. */
function isHook(job: Job): boolean {
  return stageOf(job) === 'hook';
}

/** Whether a Job starts no more pods, and has its final condition or is about to get it. */
export function hasEnded(job: KubeObject): boolean {
  const types = ['Complete', 'Failed', 'SuccessCriteriaMet', 'FailureTarget'];
  return types.some((type) => trueCondition(job as Job, type));
}

/** Whether a Job succeeded, and these pods include its successful run. */
export function hasReport(job: KubeObject, pods: readonly KubeObject[]): boolean {
  const succeeded = ['SuccessCriteriaMet', 'Complete'].some((type) => trueCondition(job as Job, type));
  if (!succeeded) return false;
  return lastRun(pods.filter((pod) => isPodOf(job as Job, pod)) as PodLike[], true) !== undefined;
}

function trueCondition({ status }: Job, type: string) {
  return status?.conditions?.find((one) => one.type === type && one.status === 'True');
}

/** A Job that was deleted and recreated has the name of the earlier one, whose pods may still exist. */
function isPodOf({ metadata: { name, uid } }: Job, { metadata }: PodLike): boolean {
  const controller = metadata.ownerReferences?.find((owner) => owner.controller);
  return metadata.labels?.[JOB_NAME] === name && (!controller || controller.uid === uid);
}

/**
 * The successful run of a complete Job. Otherwise the run whose pod was created last according to the
 * API server: clocks of nodes may differ, so the end of a run is not comparable.
 */
function lastRun(pods: readonly PodLike[], isComplete: boolean): Terminated | undefined {
  const inOrder = pods
    .flatMap((pod) => runsIn(pod).map((run) => ({ ...run, createdAt: pod.metadata.creationTimestamp })))
    .toSorted((a, b) => compare(a.createdAt, b.createdAt) || compare(a.finishedAt, b.finishedAt));
  return isComplete ? inOrder.findLast(({ exitCode }) => exitCode === 0) : inOrder.at(-1);
}

function runsIn({ status }: PodLike): Terminated[] {
  return status?.containerStatuses?.flatMap(({ state }) => state?.terminated ?? []) ?? [];
}

function compare(a = '', b = ''): number {
  return a.localeCompare(b);
}

function parseReport(message: string | undefined): MigrationReport | undefined {
  try {
    return migrationReportSchema.parse(JSON.parse(message ?? ''));
  } catch {
    return undefined; // plain text, or no message
  }
}

/** Exit codes of a shell or an entrypoint if the program does not exist or is not executable. */
const NO_COMMAND = [126, 127];
/** Reasons that container runtimes report if the program can't be started. */
const NOT_STARTED = ['StartError', 'ContainerCannotRun'];

/** The error of an image without a compatible command `migrate`. */
function incompatibleImageError(last: Terminated | undefined): string | undefined {
  const { exitCode = 0, reason = '', message } = last ?? {};
  const line = lastLine(message);
  if (exitCode === EXIT.usage) {
    return 'the image does not support `migrate up --phase`: use a newer image, or migrations.mode Disabled';
  }
  if (NO_COMMAND.includes(exitCode) || NOT_STARTED.includes(reason)) {
    const why = [NOT_STARTED.includes(reason) ? reason : `exit code ${exitCode}`, ...(line ? [line] : [])];
    return `the image has no command \`migrate\` (${why.join(': ')}): use an image of the API, or migrations.mode Disabled`;
  }
  if (exitCode !== EXIT.failure) return undefined;
  return `${line ?? `exit code ${exitCode}`} (no migration report; if the image has no command \`migrate\`, use an image of the API, or migrations.mode Disabled)`;
}

function lastLine(message: string | undefined): string | undefined {
  return message?.trim().split('\n').at(-1) || undefined;
}
