/** What one migration Job and its pods say. */
import { EXIT, type MigrationReport, migrationReportSchema } from '../../contract/image.js';
import type { JobState } from '../delivery/types.js';
import type { KubeObject } from '../runtime/kube-types.js';

export interface JobView {
  name: string;
  /** `Lost`: it succeeded, and nobody knows any more what it said. */
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
  const own = pods.filter(({ metadata }) => metadata.labels?.[JOB_NAME] === name);
  const last = lastRun(own);
  const report = parseReport(last?.message);
  const seen = { name, failures: job.status?.failed ?? 0, ...(report ? { report } : {}) };
  if (holds(job, 'Complete')) {
    // A pod that still runs, to our cache, is about to say it.
    if (last) return { ...seen, state: 'Succeeded' };
    return { ...seen, state: own.length > 0 ? 'Running' : 'Lost' };
  }
  const failed = holds(job, 'Failed') ?? holds(job, 'FailureTarget');
  const words = report?.error ?? tooOld(last) ?? lastLine(last?.message);
  if (failed) return { ...seen, state: 'Failed', error: words ?? failed.message ?? failed.reason };
  const error = last && last.exitCode !== 0 ? (words ?? `exit code ${last.exitCode}`) : undefined;
  const [now] = own.flatMap(({ metadata }) => live(metadata.name) ?? []);
  return { ...seen, state: 'Running', ...(error ? { error } : {}), ...(now ? { report: now } : {}) };
}

function holds({ status }: Job, type: string) {
  return status?.conditions?.find((one) => one.type === type && one.status === 'True');
}

function lastRun(pods: readonly PodLike[]): Terminated | undefined {
  const runs = pods.flatMap(
    ({ status }) => status?.containerStatuses?.flatMap(({ state }) => state?.terminated ?? []) ?? [],
  );
  return runs.sort((a, b) => (a.finishedAt ?? '').localeCompare(b.finishedAt ?? '')).at(-1);
}

function parseReport(message: string | undefined): MigrationReport | undefined {
  try {
    return migrationReportSchema.parse(JSON.parse(message ?? ''));
  } catch {
    return undefined; // an image that left plain text, or nothing
  }
}

function tooOld(last: Terminated | undefined): string | undefined {
  if (last?.exitCode !== EXIT.usage) return undefined;
  return 'the image does not take `migrate up --phase`: it was made before migrations had phases; use a newer one, or migrations.mode Disabled';
}

function lastLine(message: string | undefined): string | undefined {
  return message?.trim().split('\n').at(-1) || undefined;
}
