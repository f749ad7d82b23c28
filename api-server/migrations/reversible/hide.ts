/** Runs a contract migration reversibly: its objects are hidden instead of dropped. */
import type { QueryRunner } from 'typeorm';
import { sqlState } from '../../database/pool/connection-errors.js';
import { recordApplied } from '../engine/history.js';
import type { KnownMigration } from '../engine/known-migrations.js';
import { lockWaitLimiter } from '../engine/lock-wait.js';
import type { SessionTimeouts } from '../engine/migration-session.js';
import { RefusedError } from '../engine/refused-error.js';
import type { Query } from '../engine/statement-gate.js';
import { IrreversibleError } from './changes.js';
import { createHiddenTable, recordHidden } from './hidden-changes.js';
import { planHide } from './hide-plan.js';
import type { HidePlan } from './hide-plan-builder.js';
import type { ReversibleContract } from './reversibility.js';

/**
 * Hides the objects, and records the migration as applied, in one transaction. Throws an {@link IrreversibleError} if
 * the database shows that the migration can't be reversed; nothing has changed then.
 */
export async function applyHidden(
  runner: QueryRunner,
  migration: KnownMigration,
  contract: ReversibleContract,
  windowMs: number,
  timeouts: SessionTimeouts,
): Promise<void> {
  await createHiddenTable(runner);
  await inTransaction(runner, async (query) => {
    const plan = await planChecked(query, migration, contract);
    await runWithLockLimit(query, plan.hide, timeouts);
    await recordHidden(query, migration.name, plan, windowMs);
    await recordApplied(runner, migration);
  });
}

/** The reason why the database does not allow to reverse the migration, or undefined. Changes nothing. */
export async function irreversibleHere(
  runner: QueryRunner,
  migration: KnownMigration,
  contract: ReversibleContract,
): Promise<string | undefined> {
  await runner.startTransaction();
  try {
    await planChecked(queryOf(runner), migration, contract);
    return undefined;
  } catch (error) {
    if (error instanceof IrreversibleError) return error.message;
    throw error;
  } finally {
    await runner.rollbackTransaction().catch(() => undefined);
  }
}

/** A declared expression that the server rejects is a mistake of the author: it is refused, and nothing is dropped. */
async function planChecked(
  query: Query,
  { name }: KnownMigration,
  contract: ReversibleContract,
): Promise<HidePlan> {
  try {
    return await planHide(query, name, contract);
  } catch (error) {
    if (!isRejectedExpression(error)) throw error;
    throw new RefusedError(`${name}: \`restore\`: ${(error as Error).message}`);
  }
}

/** SQLSTATE class 42, syntax error or access rule violation. */
function isRejectedExpression(error: unknown): boolean {
  return sqlState(error)?.startsWith('42') ?? false;
}

/** Runs statements that lock tables. The wait for locks is limited for the transaction. */
export async function runWithLockLimit(
  query: Query,
  statements: readonly string[],
  timeouts: SessionTimeouts,
): Promise<void> {
  const limitLockWait = lockWaitLimiter(timeouts.lock);
  for (const statement of statements) {
    await limitLockWait(query);
    await query(statement);
  }
}

export async function inTransaction<T>(runner: QueryRunner, work: (query: Query) => Promise<T>): Promise<T> {
  await runner.startTransaction();
  try {
    const result = await work(queryOf(runner));
    await runner.commitTransaction();
    return result;
  } catch (error) {
    await runner.rollbackTransaction().catch(() => undefined); // if the connection is lost, the server has rolled back
    throw error;
  }
}

function queryOf(runner: QueryRunner): Query {
  return (sql, values) => runner.query(sql, values);
}
