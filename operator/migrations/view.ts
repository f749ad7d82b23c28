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
  /** Runs that failed so far. */
  failures: number;
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

export function migrationView(
  api: PcfApi,
  revision: string,
  jobs: KubeObject[],
  pods: KubeObject[],
): MigrationView {
  if (api.spec.migrations?.mode === 'Disabled') return { state: 'Disabled', failures: 0 };
  const job = jobs.find(({ metadata }) => metadata.name === migrationJobName(revision)) as Job | undefined;
  if (!job) return { state: 'Pending', failures: 0 };

  const last = lastRun(revision, pods as PodLike[]);
  const report = parseReport(last?.message);
  const holds = (type: string) => job.status?.conditions?.find((c) => c.type === type && c.status === 'True');
  const failures = job.status?.failed ?? 0;
  if (holds('Complete')) return { state: 'Succeeded', report, failures };

  const failed = holds('Failed') ?? holds('FailureTarget');
  const words = report?.error ?? lastLine(last?.message);
  if (failed) return { state: 'Failed', report, failures, error: words ?? failed.message ?? failed.reason };
  const error = last && last.exitCode !== 0 ? (words ?? `exit code ${last.exitCode}`) : undefined;
  return { state: 'Running', report, failures, error };
}

function lastRun(revision: string, pods: PodLike[]): Terminated | undefined {
  const runs = pods
    .filter(
      ({ metadata }) =>
        metadata.labels?.[LABELS.component] === 'migration' && metadata.labels[LABELS.revision] === revision,
    )
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
