/** Runs the migrations of this image and reports the result. */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import type { BackfillProgress, MigrationPhase, MigrationReport } from '../../../contract/image.js';
import type { Settings } from '../../config/schema.js';
import { version } from '../../config/version.js';
import type { LintHistory } from '../../migration-lint/lint.js';
import type { Logger } from '../../observability/logging/logger.js';
import {
  hideContract,
  recordValidation,
  refuseDropsOfRead,
  reportIrreversible,
} from '../reversible/contract.js';
import { reportHidden } from '../reversible/hidden-changes.js';
import { backfillProgress, createBackfills, runBackfill } from './backfill.js';
import type { BackfillSpec } from './backfill-batch.js';
import { tablesToLock } from './blockers.js';
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
import { type BlockerWatch, runHolder } from './lock-holder.js';
import { withLockRetries } from './lock-retries.js';
import { openLockedSession, watchBlockers } from './locked-session.js';
import {
  type MigrationSession,
  openSession,
  resetSession,
  type SessionTimeouts,
} from './migration-session.js';
import { preflight, selectPending } from './preflight.js';
import { names, type Progress, type RunResult, runWithReport } from './run-report.js';

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
    progress.hidden = await reportHidden(session.runner);
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
    progress.hidden = await reportHidden(session.runner);
    if (settings.migrations.contract_window === 0 || !phases.includes('contract')) return;
    progress.irreversible = await reportIrreversible(session.runner, applied, known);
  });
}

async function runLocked(settings: Settings, known: KnownMigration[], progress: Progress, log: Logger) {
  await using session = await openLockedSession(
    settings,
    known,
    progress,
    log,
    timeoutsOf(settings, 'expand'),
  );
  const { runner } = session;
  const applied = await readHistory(runner);
  progress.before = names(applied);
  progress.now = progress.before;
  await preflight(runner, applied, known, progress.phases);
  await createHistory(runner);
  await adoptChecksums(runner, applied, known);
  progress.backfill = await recordedBackfill(runner, applied, known);
  await using watch = await watchBlockers(session, settings, progress);
  const contracts = selectPending(applied, known, ['contract']);
  if (progress.phases.includes('contract')) await refuseDropsOfRead(runner, contracts);
  for (const migration of selectPending(applied, known, progress.phases)) {
    progress.running = migration.name;
    progress.reportProgress();
    await applyWithRetries(session, settings, { migration, contracts, known }, progress, watch, log);
    progress.now = [...progress.now, migration.name];
    progress.running = undefined;
  }
  progress.hidden = await reportHidden(runner);
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
  const timeouts = timeoutsOf(settings, migration.phase);
  const history = await historyBefore(migration, contracts, known);
  const tables = await tablesToLock(migration);
  const windowMs = migration.phase === 'contract' ? settings.migrations.contract_window : 0;
  const apply = async (onCommit: () => void) => {
    log.info({ migration: migration.name, phase: migration.phase }, 'migration starts');
    const outcome =
      windowMs > 0 ? await hideContract(session.runner, migration, known, windowMs, timeouts) : undefined;
    if (outcome === 'hidden') return;
    if (typeof outcome === 'object') {
      const reason = outcome.irreversible;
      progress.irreversible = [...progress.irreversible, { migration: migration.name, reason }];
      log.warn({ migration: migration.name, reason }, 'contract migration is irreversible');
    }
    const onApplied = async () => {
      if (outcome === 'only-validates') await recordValidation(session.runner, migration, windowMs);
    };
    await applyOne(session, migration, { timeouts, history, onApplied }, progress, onCommit, log);
  };
  await withLockRetries(session, settings, { tables, timeouts, run: apply }, progress, watch, log);
}

async function applyOne(
  { runner }: MigrationSession,
  migration: KnownMigration,
  {
    timeouts,
    history,
    onApplied,
  }: { timeouts: SessionTimeouts; history: LintHistory; onApplied: () => Promise<void> },
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
    await onApplied();
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
