/**
 * Blockers: transactions that hold a lock which conflicts with a lock of the migration. A statement that
 * waits for them blocks all later statements on the table, so the migration polls `pg_locks` instead.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { QueryRunner } from 'typeorm';
import type { LockHolder } from '../../../contract/image.js';
import { statementsOf } from '../../migration-lint/lint.js';
import type { Logger } from '../../observability/logging/logger.js';
import type { KnownMigration } from './known-migrations.js';
import { HOLDER, type HolderRow, holderOf } from './lock-holder.js';
import { conflictsOf, type LockedTable, lockedTables } from './locked-tables.js';

/** SQLSTATE lock_not_available, as PostgreSQL reports it after `lock_timeout`. */
export const LOCK_NOT_AVAILABLE = '55P03';

/** The blockers did not finish in time. */
export class LockNotAvailableError extends Error {
  override readonly name = 'LockNotAvailableError';
  readonly code = LOCK_NOT_AVAILABLE;

  constructor(table: string) {
    super(`could not obtain lock on ${table}`); // PostgreSQL's error message for NOWAIT
  }
}

const POLL_MS = 50;
/** Shorter waits are not reported. */
const REPORT_AFTER_MS = 250;
/** Longer than `deadlock_timeout` (1 s), after which PostgreSQL cancels an autovacuum that blocks a statement. */
const AUTOVACUUM_TIMEOUT_MS = 3_000;

interface Blocker extends HolderRow {
  /**
   * Virtual transaction ID, which is visible also to a role that can't read the activity of other sessions.
   */
  transaction: string;
  relation: string;
  isAutovacuum: boolean;
}

export interface BlockerOptions {
  /** Maximum wait in milliseconds. */
  waitMs: number;
  /** Minimum age in milliseconds of transactions that are cancelled. 0: none are. */
  cancelAfterMs: number;
  onWait(holder: LockHolder): void;
}

/** Tables that a migration locks, as far as its SQL is known before it runs. */
export async function tablesToLock({ dry }: KnownMigration): Promise<LockedTable[]> {
  const tables: LockedTable[] = [];
  for (const sql of dry.statements) {
    const statements = await statementsOf(sql).catch(() => []); // reported by the lint
    tables.push(...statements.flatMap(lockedTables));
  }
  return tables;
}

/**
 * Waits for the transactions that hold conflicting locks now, not for transactions that start later: these
 * are usually short, and `lock_timeout` limits the wait for them. Throws `LockNotAvailableError`.
 */
export async function awaitBlockers(
  runner: QueryRunner,
  tables: LockedTable[],
  { waitMs, cancelAfterMs, onWait }: BlockerOptions,
  log: Logger,
): Promise<void> {
  const startedAt = performance.now();
  let blockers = await readBlockers(runner, tables);
  await cancelAutovacuum(runner, blockers);
  if (cancelAfterMs > 0 && blockers.length > 0) await cancelOld(runner, blockers, cancelAfterMs, log);
  for (let first = blockers[0]; first; first = blockers[0]) {
    const waited = performance.now() - startedAt;
    if (waited > REPORT_AFTER_MS) onWait(holderOf('table', first) as LockHolder);
    if (waited > waitMs) throw new LockNotAvailableError(first.relation);
    await sleep(POLL_MS);
    const present = new Set((await readBlockers(runner, tables)).map(({ transaction }) => transaction));
    blockers = blockers.filter(({ transaction }) => present.has(transaction));
  }
}

async function readBlockers(runner: QueryRunner, tables: LockedTable[]): Promise<Blocker[]> {
  const needs = tables.flatMap(({ table, mode }) =>
    conflictsOf(mode).map((conflict) => ({ table, conflict })),
  );
  return runner.query(
    `SELECT DISTINCT ON (since, l.virtualtransaction) l.virtualtransaction AS transaction,
            l.relation::regclass::text AS relation, a.pid IS NOT NULL AND a.usesysid IS NULL AS "isAutovacuum",
            ${HOLDER}, coalesce(l.pid, 0) AS pid -- 0: a prepared transaction
     FROM unnest($1::text[], $2::text[]) AS need (relation, mode)
     JOIN pg_locks l ON l.relation = to_regclass(need.relation) AND l.mode = need.mode
     LEFT JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
     ORDER BY since, l.virtualtransaction`,
    [needs.map(({ table }) => table), needs.map(({ conflict }) => conflict)],
  );
}

/**
 * PostgreSQL cancels an autovacuum for a statement that waits for `deadlock_timeout`, which is longer
 * than the `lock_timeout` of the migration. This lock conflicts with the autovacuum and not with reads and writes.
 */
async function cancelAutovacuum(runner: QueryRunner, blockers: Blocker[]): Promise<void> {
  const relations = blockers.filter(({ isAutovacuum }) => isAutovacuum).map(({ relation }) => relation);
  if (relations.length === 0) return;
  await runner.startTransaction();
  try {
    await runner.query(`SET LOCAL lock_timeout = ${AUTOVACUUM_TIMEOUT_MS}`);
    await runner.query(`LOCK TABLE ${relations.join(', ')} IN SHARE UPDATE EXCLUSIVE MODE`);
  } catch {
    // PostgreSQL does not cancel an autovacuum that prevents transaction ID wraparound.
  } finally {
    await runner.rollbackTransaction();
  }
}

/** `pg_cancel_backend` has no effect on a session that is idle in its transaction. */
async function cancelOld(
  runner: QueryRunner,
  blockers: Blocker[],
  olderThanMs: number,
  log: Logger,
): Promise<void> {
  const sql = `SELECT ${HOLDER},
      CASE WHEN a.state = 'active' THEN pg_cancel_backend(a.pid) ELSE pg_terminate_backend(a.pid) END AS cancelled
    FROM pg_stat_activity a WHERE a.pid = ANY($1) AND a.backend_type = 'client backend'
      AND a.xact_start < clock_timestamp() - $2 * interval '1 millisecond'`;
  try {
    for (const row of await runner.query(sql, [blockers.map(({ pid }) => pid), olderThanMs])) {
      log.warn({ holder: holderOf('table', row) }, 'cancelled a transaction that blocks a migration');
    }
  } catch (error) {
    log.warn({ err: error }, 'failed to cancel a transaction that blocks a migration');
  }
}
