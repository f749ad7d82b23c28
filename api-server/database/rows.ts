/** Writes single rows and returns them in one statement. */

import { makeChange } from './change.js';
import { Bindings } from './conditions.js';
import type { EntityTable, PropertyOf } from './entity-table.js';
import type { DataSource } from './pool/data-source.js';

/** Values by property. Undefined values use the default of the column. */
export type Values<T> = { [Property in keyof T]?: T[Property] | undefined | null };

/** Entities with `archivedAt`. */
interface Archivable {
  archivedAt: Date | null;
}

export interface RowsChange {
  sql: string;
  /** Further tables that the statement reads or writes. */
  tables?: readonly string[];
  /** CTEs before and after the change. Those after it can read `changed`. */
  before?: readonly string[];
  after?: readonly string[];
  bindings: Bindings;
}

export async function insertRow<T extends object>(
  dataSource: DataSource,
  table: EntityTable<T>,
  values: Values<T>,
): Promise<T> {
  const bindings = new Bindings();
  const sql = insertSql(table, values, bindings);
  const [row] = await changeRows(dataSource, table, { sql, bindings });
  if (!row) throw new Error(`no row was inserted into ${table.name}`);
  return row;
}

/** `INSERT INTO ... VALUES ...`, without RETURNING. */
export function insertSql<T extends object>(
  table: EntityTable<T>,
  values: Values<T>,
  { bind }: Bindings,
): string {
  const given = givenIn(values);
  const columns = given.map(([property]) => table.columnName(property));
  return `INSERT INTO ${table.name} (${columns.join(', ')}) VALUES (${given.map(([, value]) => bind(value)).join(', ')})`;
}

/** Sets the defined values, and `updated_at` if there are any. Undefined when the row does not exist. */
export async function updateRow<T extends object>(
  dataSource: DataSource,
  table: EntityTable<T>,
  uuid: string,
  values: Values<T>,
): Promise<T | undefined> {
  const bindings = new Bindings();
  const sql = `UPDATE ${table.name} AS t SET ${assignments(table, values, bindings)} WHERE t.id = ${bindings.bind(uuid)}`;
  const [row] = await changeRows(dataSource, table, { sql, bindings });
  return row;
}

/** `a = $1, b = $2, updated_at = now()` */
export function assignments<T extends object>(
  table: EntityTable<T>,
  values: Values<T>,
  { bind }: Bindings,
): string {
  const set = givenIn(values).map(([property, value]) => `${table.columnName(property)} = ${bind(value)}`);
  return [...set, `updated_at = ${set.length > 0 ? 'now()' : 'updated_at'}`].join(', ');
}

/** Idempotent: archiving again keeps the time of the first call. */
export async function setArchived<T extends Archivable>(
  dataSource: DataSource,
  table: EntityTable<T>,
  uuid: string,
  archived: boolean,
): Promise<T | undefined> {
  const bindings = new Bindings();
  const value = archived ? 'coalesce(archived_at, now())' : 'NULL';
  const sql = `UPDATE ${table.name} AS t SET archived_at = ${value}, updated_at = now() WHERE t.id = ${bindings.bind(uuid)}`;
  const [row] = await changeRows(dataSource, table, { sql, bindings });
  return row;
}

/** Runs an INSERT or UPDATE without RETURNING, and returns the changed rows. */
export async function changeRows<T extends object>(
  dataSource: DataSource,
  table: EntityTable<T>,
  { tables = [], before = [], sql, after = [], bindings }: RowsChange,
): Promise<T[]> {
  const rows = await makeChange<object>(dataSource, {
    type: table.entity.name,
    tables: [table.name, ...tables],
    parts: [...before, `changed AS (${sql} RETURNING *)`, ...after],
    select: `SELECT ${table.selectList(table.properties, 'changed')} FROM changed`,
    bindings,
  });
  return rows.map((row) => table.hydrate(row));
}

function givenIn<T extends object>(values: Values<T>): [PropertyOf<T>, unknown][] {
  return Object.entries(values).filter(([, value]) => value !== undefined) as [PropertyOf<T>, unknown][];
}
