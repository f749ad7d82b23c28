/** Runs the migrations of this image and reports the result. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import type {
  BackfillProgress,
  LockHolder,
  MigrationPhase,
  MigrationReport,
} from '../../../contract/image.js';
import { backoffMs } from '../../backoff.js';
import type { Settings } from '../../config/schema.js';
import { version } from '../../config/version.js';
import { sqlState } from '../../database/pool/connection-errors.js';
import type { LintHistory } from '../../migration-lint/lint.js';
import type { Logger } from '../../observability/logging/logger.js';
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
import type { KnownMigration } from './known-migrations.js';
import { dynamicFindings, historyBefore } from './lint-migrations.js';
import { BlockerWatch, describeHolder, runHolder } from './lock-holder.js';
import {
  configureSession,
  lockSession,
  type MigrationSession,
  openSession,
  resetSession,
  type SessionTimeouts,
} from './migration-session.js';
import { preflight, selectPending } from './preflight.js';
import { names, type Progress, type RunResult, runWithReport } from './run-report.js';

const LOCK_BACKOFF = { initialMs: 500, maxMs: 10_000 };
const STATEMENT_TIMEOUT_MS: Record<MigrationPhase, number> = {
  expand: 60_000,
  backfill: 60_000,
  contract: 300_000,
};

/** Contract only runs with `--phase contract`, because all traffic must be on the new version first. */
export const DEFAULT_PHASES: MigrationPhase[] = ['expand', 'backfill'];

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
