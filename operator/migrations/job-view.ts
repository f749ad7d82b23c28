/** What one migration Job and its pods say. */
import { EXIT, type MigrationReport, migrationReportSchema } from '../../contract/image.js';
import type { JobState } from '../delivery/observation.js';
import { LABELS } from '../resources/metadata.js';
import type { KubeObject } from '../runtime/kube-types.js';

export interface JobView {
  name: string;
  /** `Lost`: the Job succeeded, and its pod with the report is deleted. {@link FinishedJobs} verifies the deletion. */
  state: JobState | 'Lost';
  /** What the newest run reported. */
  report?: MigrationReport;
  /** Last line of what went wrong, if anything did. */
  error?: string;
  /** Runs that failed so far. */
  failures: number;
}

export interface Job extends KubeObject {
  status?: {
    active?: number;
    failed?: number;
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
  status?: { containerStatuses?: { state?: { running?: object; terminated?: Terminated } }[] };
}

/** What the log of a pod says so far, if anything. */
export type LiveReports = (pod: string) => MigrationReport | undefined;

/** The label by which a pod names its Job. */
export const JOB_NAME = 'batch.kubernetes.io/job-name';

/** `live` is for people to see: no state follows from it. */
export function jobView(
  name: string,
  jobs: readonly Job[],
  pods: readonly PodLike[],
  live: LiveReports = () => undefined,
): JobView {
  const job = jobs.find(({ metadata }) => metadata.name === name);
  if (!job) return { name, state: 'Absent', failures: 0 };
  const own = pods.filter((pod) => isOf(job, pod));
  const isComplete = holds(job, 'Complete') !== undefined;
  const last = lastRun(own, isComplete);
  const report = parseReport(last?.message);
  const seen = { name, failures: job.status?.failed ?? 0, ...(report ? { report } : {}) };
  if (isComplete) {
    if (last) return { ...seen, state: 'Succeeded' };
    // A pod that still runs, to our cache, is about to say it.
    return { ...seen, state: own.every((pod) => runsIn(pod).length > 0) ? 'Lost' : 'Running' };
  }
  const failed = holds(job, 'Failed') ?? holds(job, 'FailureTarget');
  const words =
    report?.error ?? (report || isHook(job) ? undefined : foreign(last)) ?? lastLine(last?.message);
  if (failed) return { ...seen, state: 'Failed', error: words ?? failed.message ?? failed.reason };
  const error = last && last.exitCode !== 0 ? (words ?? `exit code ${last.exitCode}`) : undefined;
  const [now] = own.flatMap(({ metadata }) => live(metadata.name) ?? []);
  return { ...seen, state: 'Running', ...(error ? { error } : {}), ...(now ? { report: now } : {}) };
}

/** Somebody else's program, of which no `migrate` is expected. */
function isHook({ metadata }: Job): boolean {
  return metadata.labels?.[LABELS.stage] === 'hook';
}

/** Whether a Job will start no pod any more, and has told what became of it, or is about to. */
export function hasEnded(job: KubeObject): boolean {
  const types = ['Complete', 'Failed', 'SuccessCriteriaMet', 'FailureTarget'];
  return types.some((type) => holds(job as Job, type));
}

function holds({ status }: Job, type: string) {
  return status?.conditions?.find((one) => one.type === type && one.status === 'True');
}

/** A Job that was stopped and made again has the name of the earlier one, whose pods may still be there. */
function isOf({ metadata: { name, uid } }: Job, { metadata }: PodLike): boolean {
  const controller = metadata.ownerReferences?.find((owner) => owner.controller);
  return metadata.labels?.[JOB_NAME] === name && (!controller || controller.uid === uid);
}

/**
 * Of a Job that is complete it is the run that succeeded. Otherwise the one whose pod was made
 * last, by the API server's clock: two nodes need not agree on when a run ended.
 */
function lastRun(pods: readonly PodLike[], isComplete: boolean): Terminated | undefined {
  const inOrder = pods
    .flatMap((pod) => runsIn(pod).map((run) => ({ ...run, madeAt: pod.metadata.creationTimestamp })))
    .toSorted((a, b) => compare(a.madeAt, b.madeAt) || compare(a.finishedAt, b.finishedAt));
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
    return undefined; // an image that left plain text, or nothing
  }
}

/** Exit codes of a shell or an entrypoint that finds no program of the name, or may not run it. */
const NO_COMMAND = [126, 127];
/** What runtimes call a container whose program can't be started. */
const NOT_STARTED = ['StartError', 'ContainerCannotRun'];

/** What an image says that has no `migrate` as we know it. */
function foreign(last: Terminated | undefined): string | undefined {
  const { exitCode = 0, reason = '', message } = last ?? {};
  const said = lastLine(message);
  if (exitCode === EXIT.usage) {
    return 'the image does not take `migrate up --phase`: it was made before migrations had phases; use a newer one, or migrations.mode Disabled';
  }
  if (NO_COMMAND.includes(exitCode) || NOT_STARTED.includes(reason)) {
    const why = [NOT_STARTED.includes(reason) ? reason : `exit code ${exitCode}`, ...(said ? [said] : [])];
    return `the image has no command \`migrate\` (${why.join(': ')}): use an image of the API, or migrations.mode Disabled`;
  }
  if (exitCode !== EXIT.failure) return undefined;
  return `${said ?? `exit code ${exitCode}`} (it left no report, as an image does that has no command \`migrate\`: use an image of the API, or migrations.mode Disabled)`;
}

function lastLine(message: string | undefined): string | undefined {
  return message?.trim().split('\n').at(-1) || undefined;
}
