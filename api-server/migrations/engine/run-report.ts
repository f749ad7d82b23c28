/** The report of a run: what was applied and is pending, its progress, and the cause of a failure. */
import { QueryRunnerAlreadyReleasedError } from 'typeorm';
import type {
  BackfillProgress,
  HiddenMigration,
  IrreversibleMigration,
  LockHolder,
  MigrationFinding,
  MigrationPhase,
  MigrationReport,
} from '../../../contract/image.js';
import type { Settings } from '../../config/schema.js';
import { sqlState } from '../../database/pool/connection-errors.js';
import { redact } from '../../observability/logging/redact.js';
import { LOCK_NOT_AVAILABLE } from './blockers.js';
import type { Applied } from './history.js';
import { InterruptedError } from './is-retryable.js';
import type { KnownMigration } from './known-migrations.js';
import { describeHolder } from './lock-holder.js';
import { LockTimeoutError } from './migration-session.js';
import { RefusedError } from './refused-error.js';
import { lastLine } from './report.js';

const MAX_FINDINGS = 5;

export interface RunResult {
  report: MigrationReport;
  /** Cause of the failure, from which the caller derives the exit code. */
  cause?: unknown;
}

export interface Progress {
  before: string[];
  now: string[];
  phases: MigrationPhase[];
  backfill?: BackfillProgress;
  /** Name of the running migration. */
  running?: string;
  lockHolder?: LockHolder;
  /** The last attempt failed because of `lockHolder`, and the retry is pending. */
  isRetryPending?: boolean;
  /** Informational findings of the lint. */
  findings?: MigrationFinding[];
  /** What contract migrations have hidden and a restore brings back. */
  hidden: HiddenMigration[];
  /** Contract migrations that can't be reversed. */
  irreversible: IrreversibleMigration[];
  /** Migrations that this run restored or purged. */
  restored: string[];
  purged: string[];
  /** Publishes a report with the current progress. */
  reportProgress(): void;
}

/** Runs `work`, and reports the progress that it has recorded at its end. Never throws. */
export async function runWithReport(
  settings: Settings,
  known: KnownMigration[],
  phases: MigrationPhase[],
  work: (progress: Progress) => Promise<void>,
  onProgress: (report: MigrationReport) => void = () => {},
): Promise<RunResult> {
  const startedAt = performance.now();
  const report = (cause?: unknown) =>
    reportOf(settings, known, progress, cause, performance.now() - startedAt);
  const reportProgress = () => onProgress({ ...report(), outcome: 'running' });
  const progress: Progress = {
    ...{ before: [], now: [], hidden: [], irreversible: [], restored: [], purged: [] },
    phases,
    reportProgress,
  };
  let cause: unknown;
  try {
    await work(progress);
  } catch (error) {
    cause = isReleased(error) ? new Error('Connection terminated between two statements') : error;
  }
  return { report: report(cause), cause };
}

/**
 * When an idle connection is closed, TypeORM releases its query runner, and the next statement throws this
 * error.
 */
function isReleased(error: unknown): boolean {
  return error instanceof QueryRunnerAlreadyReleasedError;
}

export function names(applied: Applied[]): string[] {
  return applied.map(({ name }) => name);
}

function reportOf(
  settings: Settings,
  known: KnownMigration[],
  progress: Progress,
  cause: unknown,
  durationMs: number,
): MigrationReport {
  const {
    before,
    now,
    phases,
    backfill,
    running,
    lockHolder: holder,
    findings: informational = [],
  } = progress;
  const { hidden, irreversible, restored, purged } = progress;
  const knownNames = new Set(known.map(({ name }) => name));
  const pending = [...knownNames].filter((name) => !now.includes(name));
  const pendingOf = (phase: MigrationPhase) =>
    known.filter((one) => one.phase === phase && pending.includes(one.name)).map(({ name }) => name);
  const applied = now.filter((name) => !before.includes(name));
  const ahead = now.filter((name) => !knownNames.has(name));
  const newest = now.toSorted((a, b) => Number(a.slice(-13)) - Number(b.slice(-13))).at(-1) ?? null;
  const lockHolder = cause instanceof LockTimeoutError ? cause.holder : holder;
  const report = {
    current: newest,
    applied,
    pending,
    backfills: pendingOf('backfill'),
    contracts: pendingOf('contract'),
    durationMs: Math.round(durationMs),
    phases,
    ...(ahead.length > 0 && { ahead }),
    ...(backfill && { backfill }),
    ...(running && { running }),
    ...(lockHolder && { lockHolder }),
    ...(hidden.length > 0 && { hidden }),
    ...(irreversible.length > 0 && { irreversible }),
    ...(restored.length > 0 && { restored }),
    ...(purged.length > 0 && { purged }),
  };
  if (cause === undefined) {
    const findings = informational.length > 0 ? { findings: informational.slice(0, MAX_FINDINGS) } : {};
    const isDone = applied.length + restored.length + purged.length > 0;
    return { outcome: isDone ? 'done' : 'nothing', ...report, ...findings };
  }
  const error = errorText(cause, running, settings.database.url) + heldBy(cause, holder);
  if (!(cause instanceof RefusedError)) return { outcome: 'failed', ...report, error };
  const findings = cause.findings.slice(0, MAX_FINDINGS);
  return { outcome: 'refused', ...report, error, ...(findings.length > 0 && { findings }) };
}

function heldBy(cause: unknown, holder: LockHolder | undefined): string {
  if (!holder) return '';
  if (sqlState(cause) === LOCK_NOT_AVAILABLE) return `; held by ${describeHolder(holder)}`;
  return cause instanceof InterruptedError ? `; waiting for ${describeHolder(holder)}` : '';
}

/** The error message in one line, without credentials; SQL errors with the name of the migration. */
function errorText(cause: unknown, failing: string | undefined, url: string): string {
  const message = redact(lastLine(messageOf(cause)), url);
  return failing && sqlState(cause)?.length === 5 ? `${failing}: ${message}` : message;
}

function messageOf(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(messageOf).join('; ');
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
