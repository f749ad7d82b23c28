/** Contract with a window: migrations that can be reversed are hidden, the others run as without a window. */
import type { QueryRunner } from 'typeorm';
import type { IrreversibleMigration } from '../../../contract/image.js';
import type { Applied } from '../engine/history.js';
import type { KnownMigration } from '../engine/known-migrations.js';
import type { SessionTimeouts } from '../engine/migration-session.js';
import { selectPending } from '../engine/preflight.js';
import { RefusedError } from '../engine/refused-error.js';
import { IrreversibleError } from './changes.js';
import { createHiddenTable, readHidden, recordHidden } from './hidden-changes.js';
import { applyHidden, irreversibleHere } from './hide.js';
import { EMPTY_PLAN } from './hide-plan-builder.js';
import { namesDropped, reversibilityOf } from './reversibility.js';

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
  await recordHidden((sql, values) => runner.query(sql, values), name, EMPTY_PLAN, windowMs);
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

/**
 * A trigger of an open window reads columns of the version that was new then. A later contract that drops one of them
 * would stop the trigger. Throws a `RefusedError`.
 */
export async function refuseDropsOfRead(
  runner: QueryRunner,
  pending: readonly KnownMigration[],
): Promise<void> {
  const hidden = (await readHidden(runner)).filter(({ purgedAt }) => purgedAt === null);
  if (hidden.length === 0) return;
  for (const { name, dry } of pending) {
    const dropped = await namesDropped(dry.statements);
    const reader = hidden.find(({ reads }) => reads.some((column) => dropped.has(column)));
    const column = reader?.reads.find((one) => dropped.has(one));
    if (!reader) continue;
    throw new RefusedError(
      `${name} drops ${column}, from which ${reader.migration} can be restored until ${reader.until.toISOString()}; run it after that, and after \`migrate purge\``,
    );
  }
}
