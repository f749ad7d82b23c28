/** Contract with a window: migrations that can be reversed are hidden, the others run as without a window. */
import type { QueryRunner } from 'typeorm';
import type { IrreversibleMigration } from '../../../contract/image.js';
import type { Applied } from '../engine/history.js';
import type { KnownMigration } from '../engine/known-migrations.js';
import type { SessionTimeouts } from '../engine/migration-session.js';
import { selectPending } from '../engine/preflight.js';
import { IrreversibleError } from './changes.js';
import { createHiddenTable, recordHidden } from './hidden-changes.js';
import { applyHidden, irreversibleHere } from './hide.js';
import { reversibilityOf } from './reversibility.js';

/**
 * `hidden`: the migration ran reversibly. `only-validates`: it must run as without a window, because it may take long,
 * and then be recorded with {@link recordValidation}. Otherwise it can't be reversed.
 */
export type ContractOutcome = 'hidden' | 'only-validates' | { irreversible: string };

export async function hideContract(
  runner: QueryRunner,
  migration: KnownMigration,
  known: KnownMigration[],
  windowMs: number,
  timeouts: SessionTimeouts,
): Promise<ContractOutcome> {
  const reversibility = await reversibilityOf(migration, known);
  if ('reason' in reversibility) return { irreversible: reversibility.reason };
  if (reversibility.contract.changes.every(({ kind }) => kind === 'validate')) return 'only-validates';
  try {
    await applyHidden(runner, migration, reversibility.contract, windowMs, timeouts);
    return 'hidden';
  } catch (error) {
    if (error instanceof IrreversibleError) return { irreversible: error.message };
    throw error;
  }
}

/** A restore has nothing to change. It removes the migration from the history. */
export async function recordValidation(
  runner: QueryRunner,
  { name }: KnownMigration,
  windowMs: number,
): Promise<void> {
  await createHiddenTable(runner);
  const nothing = { hide: [], restore: [], purge: [], objects: [], tables: [], lostCounters: [] };
  await recordHidden((sql, values) => runner.query(sql, values), name, nothing, windowMs);
}

/** Pending contract migrations that contract would drop permanently. Changes nothing. */
export async function reportIrreversible(
  runner: QueryRunner,
  applied: Applied[],
  known: KnownMigration[],
): Promise<IrreversibleMigration[]> {
  const irreversible: IrreversibleMigration[] = [];
  // Before expand, the columns that an expression reads do not exist.
  const isExpanded = selectPending(applied, known, ['expand']).length === 0;
  for (const migration of selectPending(applied, known, ['contract'])) {
    const reversibility = await reversibilityOf(migration, known);
    const reason =
      'reason' in reversibility
        ? reversibility.reason
        : isExpanded && (await irreversibleHere(runner, migration, reversibility.contract));
    if (reason) irreversible.push({ migration: migration.name, reason });
  }
  return irreversible;
}
