/**
 * SQL expressions that compute the columns which a contract migration drops from the columns of the new version:
 * declared in `restore`, or derived from the backfill that filled the new column. Pure.
 */
import { kindOf, type Tree, walk } from '../../migration-lint/ast.js';
import { statementsOf } from '../../migration-lint/lint.js';
import { droppedNames } from '../../migration-lint/names.js';
import type { BackfillSpec } from '../engine/backfill-batch.js';
import { quoteIdent, quoteName } from './hidden-names.js';

/** Declaration of a contract migration: table, column, SQL expression over the other columns of the table. */
export type RestoreSpec = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface RestoreExpression {
  sql: string;
  /** Unqualified columns that the expression reads; `*` for all. */
  reads: string[];
  source: 'declared' | 'derived';
}

/** The statement that lint, and the parser, read the expression as. */
export function restoreStatement(table: string, column: string, expression: string): string {
  return `UPDATE ${table} SET ${quoteIdent(column)} = (${expression}\n)`;
}

/** Throws the error of the parser if the expression is not valid SQL. */
export async function declaredExpression(
  table: string,
  column: string,
  sql: string,
): Promise<RestoreExpression> {
  const statements = await statementsOf(restoreStatement(table, column, sql));
  const targets = statements[0]?.body.targetList;
  if (statements.length !== 1 || targets?.length !== 1 || statements[0]?.body.whereClause) {
    throw new Error('expected a single SQL expression');
  }
  return { sql, reads: columnsIn(targets[0].ResTarget.val), source: 'declared' };
}

/** A problem of the declaration that its SQL and the statements of the migration show, or undefined. */
export async function findInvalidRestore(
  restore: RestoreSpec,
  statements: readonly string[],
): Promise<string | undefined> {
  const parsed = await Promise.all(statements.map((sql) => statementsOf(sql).catch(() => []))); // lint reports it
  const dropped = new Set(parsed.flat().flatMap(({ kind, body }) => droppedNames(kind, body)));
  for (const [table, columns] of Object.entries(restore)) {
    for (const [column, sql] of Object.entries(columns)) {
      if (!dropped.has(`column ${unqualified(quoteTable(table))}.${column}`)) {
        return `the migration does not drop ${table}.${column}`;
      }
      const error = await declaredExpression(quoteTable(table), column, sql).then(
        () => undefined,
        (cause: Error) => cause.message,
      );
      if (error) return `${table}.${column}: ${error}`;
    }
  }
  return undefined;
}

/** The key of a declaration as SQL: quoted if it is not. */
export function quoteTable(table: string): string {
  return table.includes('"') ? table : quoteName(table.split('.'));
}

/**
 * A backfill that copies the old column, `new = old` or `new = old::type`, has the reverse `old = new`: renames and
 * changes of a type need no declaration. Undefined if another assignment reads the column, or if the backfill copies
 * only some of the rows: then `new` has only a part of what `old` had.
 */
export async function derivedExpression(
  backfills: readonly BackfillSpec[],
  table: string,
  column: string,
): Promise<RestoreExpression | undefined> {
  const updates = await Promise.all(backfills.map(parsedUpdate));
  const readers = updates
    .filter((update) => update?.relation.relname === unqualified(table))
    .flatMap((update) =>
      (update.targetList ?? []).map(({ ResTarget }: Tree) => ({ ...ResTarget, where: update.whereClause })),
    )
    .filter(({ val }) => columnsIn(val).includes(column));
  const [target, ...others] = readers;
  if (!target || others.length > 0) return undefined;
  const { name, val, where } = target;
  if (name === column || copiedColumn(val) !== column || !testsOnlyNull(where, [name, column]))
    return undefined;
  return { sql: quoteIdent(name), reads: [name], source: 'derived' };
}

async function parsedUpdate({ table, set, where }: BackfillSpec): Promise<Tree> {
  const sql = `UPDATE ${table} SET ${set}\n${where ? `WHERE ${where}` : ''}`;
  const [update] = await statementsOf(sql).catch(() => []); // reported by the lint
  return update?.kind === 'UpdateStmt' ? update.body : undefined;
}

/** Whether a condition only finds the rows that are not copied yet, by `IS [NOT] NULL` and `IS DISTINCT FROM`. */
function testsOnlyNull(where: Tree, columns: readonly string[]): boolean {
  if (!where) return true;
  const { BoolExpr: combined, NullTest: test, A_Expr: comparison } = where;
  const isOneOf = (value: Tree) => columns.includes(copiedColumn(value) ?? '');
  if (combined && combined.boolop !== 'NOT_EXPR')
    return combined.args.every((part: Tree) => testsOnlyNull(part, columns));
  if (test) return isOneOf(test.arg);
  return comparison?.kind === 'AEXPR_DISTINCT' && isOneOf(comparison.lexpr) && isOneOf(comparison.rexpr);
}

function unqualified(table: string): string {
  return (/"((?:[^"]|"")*)"$/.exec(table)?.[1] ?? table).replaceAll('""', '"');
}

/** The column of `column` or `column::type`. */
function copiedColumn(value: Tree): string | undefined {
  if (value?.TypeCast) return copiedColumn(value.TypeCast.arg);
  const fields = value?.ColumnRef?.fields ?? [];
  return fields.length === 1 ? fields[0].String?.sval : undefined;
}

function columnsIn(expression: Tree): string[] {
  const found = new Set<string>();
  walk(expression, (kind, node) => {
    if (kind !== 'ColumnRef') return;
    const last = node.fields?.at(-1);
    if (kindOf(last) === 'A_Star') found.add('*');
    if (kindOf(last) === 'String') found.add(last.String.sval);
  });
  return [...found];
}
