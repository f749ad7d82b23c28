/** `migrate restore` and `migrate purge`: reverse hidden contract migrations, or make them permanent. */
import type { QueryRunner } from 'typeorm';
import type { MigrationReport } from '../../../contract/image.js';
import type { Settings } from '../../config/schema.js';
import { sqlState } from '../../database/pool/connection-errors.js';
import type { Logger } from '../../observability/logging/logger.js';
import { readHistory, removeApplied } from '../engine/history.js';
import type { KnownMigration } from '../engine/known-migrations.js';
import { withLockRetries } from '../engine/lock-retries.js';
import { openLockedSession, watchBlockers } from '../engine/locked-session.js';
import type { LockedTable } from '../engine/locked-tables.js';
import type { SessionTimeouts } from '../engine/migration-session.js';
import { RefusedError } from '../engine/refused-error.js';
import { names, type Progress, type RunResult, runWithReport } from '../engine/run-report.js';
import type { Query } from '../engine/statement-gate.js';
import { deleteHidden, type HiddenChange, readHidden, recordPurged, reportHidden } from './hidden-changes.js';
import { inTransaction, runWithLockLimit } from './hide.js';

/** Changes of the catalog only: none of the statements reads or rewrites rows. */
const STATEMENT_TIMEOUT_MS = 60_000;
/** SQLSTATEs of names that are in use: column, table, object, function, schema. */
const DUPLICATE = ['42701', '42P07', '42710', '42723', '42P06'];

interface Run {
  settings: Settings;
  known: KnownMigration[];
  log: Logger;
  interrupted: Promise<never>;
  onProgress?: (report: MigrationReport) => void;
}

/**
 * Restores what these contract migrations have hidden, and all migrations that were hidden after the oldest of them,
 * newest first. Each is one transaction, which also removes the migration from the history: it is pending again.
 * Without names: all that are hidden.
 */
export function migrateRestore(run: Run, requested: readonly string[] = []): Promise<RunResult> {
  return runHidden(run, 'restored', async (runner) => {
    const applied = new Set(names(await readHistory(runner)));
    return selectRestored(await readHidden(runner), applied, requested);
  });
}

/** Drops what is hidden and whose window has ended; with `now`, all that is hidden. Oldest first. */
export function migratePurge(run: Run, { now = false } = {}): Promise<RunResult> {
  return runHidden(run, 'purged', async (runner) => {
    const [{ time }] = await runner.query('SELECT clock_timestamp() AS time');
    const hidden = (await readHidden(runner)).filter(({ purgedAt }) => purgedAt === null);
    return hidden.filter(({ until }) => now || until <= time);
  });
}

/**
 * The migrations to restore, newest first. A requested migration that is not applied needs no restore. Throws a
 * `RefusedError` for one that was purged, or that ran without a window.
 */
export function selectRestored(
  all: readonly HiddenChange[],
  applied: ReadonlySet<string>,
  requested: readonly string[],
): HiddenChange[] {
  const hidden = all.filter(({ purgedAt }) => purgedAt === null);
  for (const name of requested) {
    if (!applied.has(name) || hidden.some(({ migration }) => migration === name)) continue;
    const purged = all.find(({ migration }) => migration === name);
    throw new RefusedError(
      purged?.purgedAt
        ? `${name} can't be restored: what it dropped was purged at ${purged.purgedAt.toISOString()}; restore a backup`
        : `${name} can't be restored: it ran without a window, or it is irreversible; restore a backup`,
    );
  }
  const oldest =
    requested.length > 0 ? hidden.findIndex(({ migration }) => requested.includes(migration)) : 0;
  return oldest < 0 ? [] : hidden.slice(oldest).toReversed();
}

function runHidden(
  { settings, known, log, interrupted, onProgress }: Run,
  outcome: 'restored' | 'purged',
  select: (runner: QueryRunner) => Promise<HiddenChange[]>,
): Promise<RunResult> {
  const work = async (progress: Progress) => {
    const timeouts = { lock: settings.migrations.lock_timeout, statement: STATEMENT_TIMEOUT_MS };
    await using session = await openLockedSession(settings, known, progress, log, timeouts);
    const { runner } = session;
    progress.before = names(await readHistory(runner));
    progress.now = progress.before;
    const selected = await select(runner);
    await using watch = await watchBlockers(session, settings, progress);
    for (const change of selected) {
      const { migration } = change;
      progress.running = migration;
      progress.reportProgress();
      const run = async () => {
        log.info({ migration }, outcome === 'restored' ? 'restore starts' : 'purge starts');
        await (outcome === 'restored' ? restoreOne : purgeOne)(runner, change, timeouts);
      };
      await withLockRetries(
        session,
        settings,
        { tables: locked(change), timeouts, run },
        progress,
        watch,
        log,
      );
      progress[outcome] = [...progress[outcome], migration];
      if (outcome === 'restored') progress.now = progress.now.filter((name) => name !== migration);
      progress.running = undefined;
    }
    progress.hidden = await reportHidden(runner);
  };
  return runWithReport(
    settings,
    known,
    [],
    (progress) => Promise.race([work(progress), interrupted]),
    onProgress,
  );
}

function locked({ tables }: HiddenChange): LockedTable[] {
  return tables.map((table) => ({ table, mode: 'ACCESS EXCLUSIVE' }));
}

async function restoreOne(
  runner: QueryRunner,
  { migration, restore }: HiddenChange,
  timeouts: SessionTimeouts,
): Promise<void> {
  await inTransaction(runner, async (query) => {
    await runRestore(query, migration, restore, timeouts);
    await removeApplied(runner, migration);
    await deleteHidden(query, migration);
  });
}

async function runRestore(
  query: Query,
  migration: string,
  restore: readonly string[],
  timeouts: SessionTimeouts,
): Promise<void> {
  try {
    await runWithLockLimit(query, restore, timeouts);
  } catch (error) {
    if (!DUPLICATE.includes(sqlState(error) ?? '')) throw error;
    throw new RefusedError(
      `${migration} can't be restored, because a newer object has the name of a hidden one: ${(error as Error).message}`,
    );
  }
}

async function purgeOne(
  runner: QueryRunner,
  { migration, purge }: HiddenChange,
  timeouts: SessionTimeouts,
): Promise<void> {
  await inTransaction(runner, async (query) => {
    await runWithLockLimit(query, purge, timeouts);
    await recordPurged(query, migration);
  });
}
