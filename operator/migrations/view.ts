/** Where the migrations of a revision stand, read from their Job and its pods. */
import { type MigrationReport, migrationReportSchema } from '../../contract/image.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { MigrationState } from '../delivery/types.js';
import { LABELS } from '../resources/metadata.js';
import type { KubeObject } from '../runtime/kube-client.js';
import { migrationJobName } from './job.js';

export interface MigrationView {
  state: MigrationState;
  /** What the newest run reported. */
  report?: MigrationReport;
  /** Last line of what went wrong, if anything did. */
  error?: string;
  /** Runs of the Job that failed so far. */
  failures: number;
  /** Jobs of the revision that failed for good. */
  failedJobs: number;
}

interface Job extends KubeObject {
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

interface PodLike extends KubeObject {
  status?: { containerStatuses?: { state?: { terminated?: Terminated } }[] };
}

/**
 * Where the migrations of a revision stand. Of several Jobs the one of `attempt`
 * counts, or the last there is; one that succeeded counts before all others.
 */
export function migrationView(
  api: PcfApi,
  revision: string,
  jobs: KubeObject[],
  pods: KubeObject[],
  attempt?: number,
): MigrationView {
  if (api.spec.migrations?.mode === 'Disabled') return { state: 'Disabled', failures: 0, failedJobs: 0 };
  const all = (jobs as Job[]).filter(({ metadata }) => metadata.labels?.[LABELS.revision] === revision);
  const failedJobs = all.filter(hasFailed).length;
  const wanted = migrationJobName(revision, attempt ?? Math.max(1, failedJobs));
  const job = all.find(holds('Complete')) ?? all.find(({ metadata }) => metadata.name === wanted);
  if (!job) return { state: 'Pending', failures: 0, failedJobs };

  const last = lastRun(job, pods as PodLike[]);
  const report = parseReport(last?.message);
  const failures = job.status?.failed ?? 0;
  const seen = { report, failures, failedJobs };
  if (holds('Complete')(job)) return { state: 'Succeeded', ...seen };

  const failed = hasFailed(job);
  const words = report?.error ?? lastLine(last?.message);
  if (failed) return { state: 'Failed', ...seen, error: words ?? failed.message ?? failed.reason };
  const error = last && last.exitCode !== 0 ? (words ?? `exit code ${last.exitCode}`) : undefined;
  return { state: 'Running', ...seen, error };
}

function holds(type: string) {
  return ({ status }: Job) => status?.conditions?.find((c) => c.type === type && c.status === 'True');
}

function hasFailed(job: Job) {
  return holds('Failed')(job) ?? holds('FailureTarget')(job);
}

const JOB_NAME = 'batch.kubernetes.io/job-name';

function lastRun(job: Job, pods: PodLike[]): Terminated | undefined {
  const runs = pods
    .filter(({ metadata }) => metadata.labels?.[JOB_NAME] === job.metadata.name)
    .flatMap(
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

function lastLine(message: string | undefined): string | undefined {
  return message?.trim().split('\n').at(-1) || undefined;
}
