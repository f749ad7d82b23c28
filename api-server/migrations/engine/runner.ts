/** Runs the migrations of this image and reports the result. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type MigrationInterface, type QueryRunner, QueryRunnerAlreadyReleasedError } from 'typeorm';
import type {
  BackfillProgress,
  LockHolder,
  MigrationFinding,
  MigrationPhase,
  MigrationReport,
} from '../../../contract/image.js';
import { backoffMs } from '../../backoff.js';
import type { Settings } from '../../config/schema.js';
import { version } from '../../config/version.js';
import { sqlState } from '../../database/pool/connection-errors.js';
import type { LintHistory } from '../../migration-lint/lint.js';
import type { Logger } from '../../observability/logging/logger.js';
import { redact } from '../../observability/logging/redact.js';
import { backfillProgress, createBackfills, runBackfill } from './backfill.js';
import type { BackfillSpec } from './backfill-batch.js';
import { awaitBlockers, LOCK_NOT_AVAILABLE, LockNotAvailableError, tablesToLock } from './blockers.js';
import { refuseTransactionPooling } from './direct-connection.js';
import { withLint } from './gate.js';
import {
  type Applied,
  adoptChecksums,
  checkHistory,
  createHistory,
  readHistory,
  recordApplied,
} from './history.js';
import { InterruptedError } from './is-retryable.js';
import type { KnownMigration } from './known-migrations.js';
import { dynamicFindings, historyBefore } from './lint-migrations.js';
import { BlockerWatch, describeHolder, runHolder } from './lock-holder.js';
import {
  configureSession,
  LockTimeoutError,
  lockSession,
  type MigrationSession,
  openSession,
  resetSession,
  type SessionTimeouts,
} from './migration-session.js';
import { preflight, selectPending } from './preflight.js';
import { RefusedError } from './refused-error.js';
import { lastLine } from './report.js';

const MAX_FINDINGS = 5;
const LOCK_BACKOFF = { initialMs: 500, maxMs: 10_000 };
const STATEMENT_TIMEOUT_MS: Record<MigrationPhase, number> = {
  expand: 60_000,
  backfill: 60_000,
  contract: 300_000,
};

/** Contract only runs with `--phase contract`, because all traffic must be on the new version first. */
export const DEFAULT_PHASES: MigrationPhase[] = ['expand', 'backfill'];

export interface RunResult {
  report: MigrationReport;
  /** Cause of the failure, from which the caller derives the exit code. */
  cause?: unknown;
}

interface Progress {
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
  /** Publishes a report with the current progress. */
  reportProgress(): void;
}

/**
 * Applies the pending migrations of these phases, each in a separate transaction unless its `transaction` is
 * false. When `interrupted` rejects, the report is returned immediately; the server rolls back the current
 * transaction when the process exits. `onProgress` receives progress reports.
 */
export function migrateUp(
  settings: Settings,
  known: KnownMigration[],
  log: Logger,
  interrupted: Promise<never>,
  phases: MigrationPhase[] = DEFAULT_PHASES,
  onProgress: (report: MigrationReport) => void = () => {},
): Promise<RunResult> {
  const work = (progress: Progress) => Promise.race([runLocked(settings, known, progress, log), interrupted]);
  return runWithReport(settings, known, phases, work, onProgress);
}

/** Reports applied and pending migrations. Read-only. */
export function migrationStatus(
  settings: Settings,
  known: KnownMigration[],
  log: Logger,
  phases: MigrationPhase[] = DEFAULT_PHASES,
): Promise<RunResult> {
  return runWithReport(settings, known, phases, async (progress) => {
    await using session = await openSession(settings, known, log);
    const applied = await readHistory(session.runner);
    progress.now = names(applied);
    progress.before = progress.now;
    progress.lockHolder = await runHolder(session.runner);
    const pending = selectPending(applied, known, ['backfill']).map(({ name }) => name);
    progress.backfill = await backfillProgress(session.runner, pending);
    checkHistory(applied, known, version());
  });
}

/** Like `migrationStatus`, with the checks that `migrateUp` runs before its first statement. */
export function migrationPlan(
  settings: Settings,
  known: KnownMigration[],
  log: Logger,
  phases: MigrationPhase[] = DEFAULT_PHASES,
): Promise<RunResult> {
  return runWithReport(settings, known, phases, async (progress) => {
    await using session = await openSession(settings, known, log);
    const applied = await readHistory(session.runner);
    progress.now = names(applied);
    progress.before = progress.now;
    progress.findings = dynamicFindings(await preflight(session.runner, applied, known, phases));
  });
}

async function runWithReport(
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
  const progress: Progress = { before: [], now: [], phases, reportProgress };
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

async function runLocked(settings: Settings, known: KnownMigration[], progress: Progress, log: Logger) {
  await using session = await openSession(settings, known, log);
  const { runner } = session;
  await refuseTransactionPooling(session.dataSource, runner);
  await lockSession(runner, settings.migrations.runner_wait, log, (holder) => {
    progress.lockHolder = holder;
    progress.reportProgress();
  });
  progress.lockHolder = undefined;
  await configureSession(runner, timeoutsOf(settings, 'expand'));
  const applied = await readHistory(runner);
  progress.before = names(applied);
  progress.now = progress.before;
  await preflight(runner, applied, known, progress.phases);
  await createHistory(runner);
  await adoptChecksums(runner, applied, known);
  progress.backfill = await recordedBackfill(runner, applied, known);
  await using watch = await watchBlockers(session, settings.migrations.lock_timeout, (holder) => {
    if (progress.isRetryPending) return; // keep the lock holder that caused the retry
    progress.lockHolder = holder;
    progress.reportProgress();
  });
  const contracts = selectPending(applied, known, ['contract']);
  for (const migration of selectPending(applied, known, progress.phases)) {
    progress.running = migration.name;
    progress.reportProgress();
    await applyWithRetries(session, settings, { migration, contracts, known }, progress, watch, log);
    progress.now = [...progress.now, migration.name];
    progress.running = undefined;
  }
}

/**
 * The report of an earlier run may be lost, so each run reports the progress that the database has recorded:
 * of pending backfills, or else of applied ones.
 */
async function recordedBackfill(
  runner: QueryRunner,
  applied: Applied[],
  known: KnownMigration[],
): Promise<BackfillProgress | undefined> {
  const pending = selectPending(applied, known, ['backfill']);
  const backfills = pending.length > 0 ? pending : known.filter(({ phase }) => phase === 'backfill');
  const recorded = await backfillProgress(
    runner,
    backfills.map(({ name }) => name),
  );
  if (!recorded) return undefined;
  // `throttled` was the state of the earlier run.
  const { throttled: _, ...progress } = recorded;
  return pending.length > 0 ? progress : finished(progress);
}

/** `rows` can be less than `total`, which includes rows that needed no change. */
function finished(backfill: BackfillProgress | undefined): BackfillProgress | undefined {
  return backfill && { ...backfill, secondsLeft: 0 };
}

async function watchBlockers(
  { dataSource, runner }: MigrationSession,
  lockTimeoutMs: number,
  onChange: (holder: LockHolder | undefined) => void,
): Promise<BlockerWatch> {
  const [{ pid }] = await runner.query('SELECT pg_backend_pid() AS pid');
  return new BlockerWatch(
    dataSource.createQueryRunner(),
    pid,
    Math.min(1_000, Math.max(50, lockTimeoutMs / 4)),
    onChange,
  );
}

/** A migration that can't obtain a lock is rolled back, so that the traffic continues, and retried. */
async function applyWithRetries(
  session: MigrationSession,
  settings: Settings,
  {
    migration,
    contracts,
    known,
  }: Record<'contracts' | 'known', KnownMigration[]> & { migration: KnownMigration },
  progress: Progress,
  watch: BlockerWatch,
  log: Logger,
) {
  const { lock_attempts: attempts, cancel_blockers_after: cancelAfterMs } = settings.migrations;
  const timeouts = timeoutsOf(settings, migration.phase);
  const history = await historyBefore(migration, contracts, known);
  const tables = await tablesToLock(migration);
  let attempt = 0;
  const onCommit = () => {
    attempt = 1; // counts only attempts without progress
  };
  const onWait = (holder: LockHolder) => {
    const hasChanged = holder.pid !== progress.lockHolder?.pid;
    progress.lockHolder = holder;
    if (hasChanged) progress.reportProgress();
  };
  for (;;) {
    attempt += 1;
    const waitMs = backoffMs(attempt, LOCK_BACKOFF);
    try {
      await configureSession(session.runner, timeouts);
      if (tables.length > 0) {
        await awaitBlockers(session.runner, tables, { waitMs, cancelAfterMs, onWait }, log);
        progress.lockHolder = undefined;
      }
      log.info({ migration: migration.name, phase: migration.phase }, 'migration starts');
      progress.isRetryPending = false;
      await applyOne(session, migration, { timeouts, history }, progress, onCommit, log);
      progress.lockHolder = undefined;
      return;
    } catch (error) {
      const isLocked = sqlState(error) === LOCK_NOT_AVAILABLE;
      const hasQueued = !(error instanceof LockNotAvailableError);
      progress.isRetryPending = true;
      if (hasQueued) progress.lockHolder = isLocked ? watch.takeLast() : undefined;
      if (!isLocked || attempt >= attempts) throw error;
      progress.reportProgress();
      const heldBy = progress.lockHolder && describeHolder(progress.lockHolder);
      log.warn({ attempt, attempts, heldBy }, 'lock not available, the migration will be retried');
      if (hasQueued) await sleep(waitMs);
    }
  }
}

async function applyOne(
  { runner }: MigrationSession,
  migration: KnownMigration,
  { timeouts, history }: { timeouts: SessionTimeouts; history: LintHistory },
  progress: Progress,
  onCommit: () => void,
  log: Logger,
): Promise<void> {
  const instance = new migration.migration() as MigrationInterface & { backfill?: BackfillSpec };
  if (instance.backfill) {
    await createBackfills(runner);
    const report = (now: BackfillProgress, isDue: boolean) => {
      progress.backfill = now;
      if (isDue) progress.reportProgress();
    };
    await runBackfill(runner, migration, instance.backfill, log, { report, onCommit });
    await recordApplied(runner, migration);
    progress.backfill = finished(progress.backfill);
    return;
  }
  const apply = async () => {
    await withLint(runner, migration, timeouts, history, () => instance.up(runner));
    await resetSession(runner, timeouts); // the record must not depend on the search_path of the migration
    await recordApplied(runner, migration);
  };
  if (!migration.transaction) return apply();
  await runner.startTransaction();
  try {
    await apply();
    await runner.commitTransaction();
  } catch (error) {
    await runner.rollbackTransaction().catch(() => undefined); // if the connection is lost, the server has rolled back
    throw error;
  }
}

function timeoutsOf(settings: Settings, phase: MigrationPhase): SessionTimeouts {
  return { lock: settings.migrations.lock_timeout, statement: STATEMENT_TIMEOUT_MS[phase] };
}

function names(applied: Applied[]): string[] {
  return applied.map(({ name }) => name);
}

function reportOf(
  settings: Settings,
  known: KnownMigration[],
  { before, now, phases, backfill, running, lockHolder: holder, findings: informational = [] }: Progress,
  cause: unknown,
  durationMs: number,
): MigrationReport {
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
  };
  if (cause === undefined) {
    const findings = informational.length > 0 ? { findings: informational.slice(0, MAX_FINDINGS) } : {};
    return { outcome: applied.length > 0 ? 'done' : 'nothing', ...report, ...findings };
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
