/** Whether a contract migration can be reversed, as far as its SQL shows. Needs no database. */
import type { MigrationInterface } from 'typeorm';
import { statementsOf } from '../../migration-lint/lint.js';
import { droppedNames } from '../../migration-lint/names.js';
import type { BackfillSpec } from '../engine/backfill-batch.js';
import type { KnownMigration } from '../engine/known-migrations.js';
import { type Change, changesOf, IrreversibleError } from './changes.js';
import { declaredExpression, derivedExpression, type RestoreExpression } from './restore-expressions.js';

export interface ReversibleContract {
  changes: Change[];
  /** Expressions of dropped columns, by {@link columnKey}. */
  expressions: Map<string, RestoreExpression>;
}

export type Reversibility = { contract: ReversibleContract } | { reason: string };

export function columnKey(table: string, column: string): string {
  return `${table}.${column}`;
}

/** `known`: all migrations of the image. */
export async function reversibilityOf(
  migration: KnownMigration,
  known: readonly KnownMigration[],
): Promise<Reversibility> {
  try {
    return { contract: await reversibleContract(migration, known) };
  } catch (error) {
    if (error instanceof IrreversibleError) return { reason: error.message };
    throw error;
  }
}

async function reversibleContract(
  migration: KnownMigration,
  known: readonly KnownMigration[],
): Promise<ReversibleContract> {
  const { dry, restore = {} } = migration;
  if (dry.dynamic) {
    throw new IrreversibleError('it reads query results, so its statements are known only while it runs');
  }
  if (dry.parameters.some((values) => values.length > 0)) {
    throw new IrreversibleError('its statements have parameters');
  }
  const parsed = await Promise.all(
    dry.statements.map((sql) =>
      statementsOf(sql).catch(() => {
        throw new IrreversibleError('its SQL is not valid'); // the lint reports the cause
      }),
    ),
  );
  const changes = changesOf(parsed.flat());
  const backfills = backfillsBefore(migration, known);
  const expressions = new Map<string, RestoreExpression>();
  for (const change of changes) {
    if (change.kind !== 'column') continue;
    const { table, column } = change;
    const declared = declaredFor(restore, table, column);
    const expression =
      declared === undefined
        ? await derivedExpression(backfills, table, column)
        : await declaredExpression(table, column, declared);
    if (expression) expressions.set(columnKey(table, column), expression);
  }
  refuseReadsOfDropped(changes, expressions);
  await refuseReadsOfLaterDropped(migration, expressions, known);
  refuseUnmaintained(changes, expressions);
  return { changes, expressions };
}

function backfillsBefore({ name }: KnownMigration, known: readonly KnownMigration[]): BackfillSpec[] {
  return known
    .filter((one) => one.phase === 'backfill' && one.name.slice(-13) < name.slice(-13))
    .flatMap(
      ({ migration }) => (new migration() as MigrationInterface & { backfill?: BackfillSpec }).backfill ?? [],
    );
}

/** Keys of the declaration are table names as in the statements, with or without quotes and schema. */
function declaredFor(
  restore: NonNullable<KnownMigration['restore']>,
  table: string,
  column: string,
): string | undefined {
  for (const [name, columns] of Object.entries(restore)) {
    const [written, dropped] = [plain(name), plain(table)];
    if (written === dropped || `public.${written}` === dropped || written === `public.${dropped}`)
      return columns[column];
  }
  return undefined;
}

function plain(name: string): string {
  return name.replaceAll('"', '');
}

/** A restored value must be computed from what the new version writes. */
function refuseReadsOfDropped(changes: Change[], expressions: ReadonlyMap<string, RestoreExpression>): void {
  for (const { table, column, reads } of columnsWith(changes, expressions)) {
    const dropped = changes.find(
      (one) => one.kind === 'column' && one.table === table && reads.includes(one.column),
    );
    if (dropped?.kind !== 'column') continue;
    throw new IrreversibleError(
      `\`restore\` of ${column} reads ${dropped.column}, which the same migration drops; compute it from the columns of the new version`,
    );
  }
}

/** All contract migrations of an image run together: a later one may drop what the trigger of an earlier one reads. */
async function refuseReadsOfLaterDropped(
  { name }: KnownMigration,
  expressions: ReadonlyMap<string, RestoreExpression>,
  known: readonly KnownMigration[],
): Promise<void> {
  const later = known.filter((one) => one.phase === 'contract' && one.name.slice(-13) > name.slice(-13));
  for (const one of later) {
    const dropped = await namesDropped(one.dry.statements);
    for (const [key, { reads }] of expressions) {
      const [table = ''] = plain(key).split('.').slice(-2);
      const column = reads.find((read) => dropped.has(`column ${table}.${read}`));
      if (!column) continue;
      throw new IrreversibleError(
        `${one.name} drops ${table}.${column}, from which ${plain(key)} is restored`,
      );
    }
  }
}

/** Names that the statements drop, see `droppedNames`. */
export async function namesDropped(statements: readonly string[]): Promise<Set<string>> {
  const parsed = await Promise.all(statements.map((sql) => statementsOf(sql).catch(() => [])));
  return new Set(parsed.flat().flatMap(({ kind, body }) => droppedNames(kind, body)));
}

function columnsWith(changes: Change[], expressions: ReadonlyMap<string, RestoreExpression>) {
  return changes.flatMap((change) => {
    if (change.kind !== 'column') return [];
    const expression = expressions.get(columnKey(change.table, change.column));
    return expression ? [{ ...change, reads: expression.reads }] : [];
  });
}

/**
 * A dropped trigger or function may be what fills a dropped column or table: without it, the old version would read
 * stale rows after a restore.
 */
function refuseUnmaintained(changes: Change[], expressions: ReadonlyMap<string, RestoreExpression>): void {
  const tables = new Set(
    changes.flatMap((one) => (one.kind === 'object' && one.type === 'TABLE' ? one.name : [])),
  );
  const trigger = changes.find((one) => one.kind === 'trigger' && !tables.has(one.table));
  if (trigger?.kind !== 'trigger') return;
  for (const change of changes) {
    if (change.kind === 'column' && !expressions.has(columnKey(change.table, change.column))) {
      throw new IrreversibleError(
        `the trigger ${trigger.name}, which it drops, may fill ${plain(change.table)}.${change.column}: declare \`restore\` for this column`,
      );
    }
    if (change.kind === 'object' && change.type === 'TABLE') {
      throw new IrreversibleError(
        `the trigger ${trigger.name}, which it drops, may fill the table ${plain(change.name)}, and rows of a table can't be restored by an expression`,
      );
    }
  }
}
