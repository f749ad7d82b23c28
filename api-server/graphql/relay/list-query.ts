/** Reads lists: one page, the same page for several parents, or the number of rows. */

import type { Access } from '../../database/access.js';
import { Bindings, type Condition, conditionSql } from '../../database/conditions.js';
import type { PropertyOf } from '../../database/entity-table.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { type Keyset, keysetSql } from './keyset.js';
import type { Node } from './node.js';
import type { NodeType } from './node-type.js';
import type { PageRequest } from './paging.js';

/** Requested page of a list. Plain data, so that equal requests have equal JSON. */
export interface ListQuery<T> {
  request: PageRequest;
  keyset: Keyset<T>;
  where: readonly Condition<T>[];
  columns: readonly PropertyOf<T>[];
}

/** Reads one row more than the page, to detect whether there is a next page. */
export async function readPage<T extends Node>(
  dataSource: DataSource,
  type: NodeType<T>,
  query: ListQuery<T>,
): Promise<T[]> {
  const bindings = new Bindings();
  const rows = await dataSource.readRows(readOf(type), pageSql(type, query, [], bindings), bindings.values);
  return rows.map((row) => type.table.hydrate(row));
}

/** Reads the same page for each parent in one statement. */
export async function readPages<T extends Node>(
  dataSource: DataSource,
  type: NodeType<T>,
  parent: PropertyOf<T>,
  keys: readonly string[],
  query: ListQuery<T>,
): Promise<Map<string, T[]>> {
  const { table } = type;
  const bindings = new Bindings();
  const parents = `CAST(${bindings.bind([...keys])} AS ${table.sqlType(parent)}[])`;
  const inner = pageSql(type, query, [`${table.column(parent, 't')} = parent.key`], bindings);
  const backward = query.request.backward !== (query.keyset.direction === 'DESC');
  const order = query.keyset.parts.map(({ property }) => `page."${property}" ${backward ? 'DESC' : 'ASC'}`);
  const sql = `SELECT parent.key AS "parentKey", page.* FROM unnest(${parents}) AS parent (key)
    CROSS JOIN LATERAL (${inner}) AS page ORDER BY ${order.join(', ')}`;
  const rows = await dataSource.readRows<{ parentKey: string }>(readOf(type), sql, bindings.values);
  const pages = new Map<string, T[]>();
  for (const { parentKey, ...row } of rows) {
    const page = pages.get(parentKey);
    if (page) page.push(table.hydrate(row));
    else pages.set(parentKey, [table.hydrate(row)]);
  }
  return pages;
}

export async function countRows<T extends Node>(
  dataSource: DataSource,
  type: NodeType<T>,
  where: readonly Condition<T>[],
): Promise<number> {
  const bindings = new Bindings();
  const sql = `SELECT count(*)::int AS count FROM ${type.table.name} t${whereSql(type, where, [], bindings)}`;
  const [row] = await dataSource.readRows<{ count: number }>(readOf(type), sql, bindings.values);
  return row?.count ?? 0;
}

export async function countsByParent<T extends Node>(
  dataSource: DataSource,
  type: NodeType<T>,
  parent: PropertyOf<T>,
  keys: readonly string[],
  where: readonly Condition<T>[],
): Promise<Map<string, number>> {
  const bindings = new Bindings();
  const { table } = type;
  const column = table.column(parent, 't');
  const isOneOf = `${column} = ANY (CAST(${bindings.bind([...keys])} AS ${table.sqlType(parent)}[]))`;
  const sql = `SELECT ${column} AS key, count(*)::int AS count FROM ${table.name} t
    ${whereSql(type, where, [isOneOf], bindings)} GROUP BY ${column}`;
  const rows = await dataSource.readRows<{ key: string; count: number }>(readOf(type), sql, bindings.values);
  return new Map(rows.map(({ key, count }) => [key, count]));
}

function readOf({ table }: { table: { name: string } }): Access {
  return { mode: 'read', tables: [table.name] };
}

function pageSql<T extends Node>(
  type: NodeType<T>,
  { request, keyset, where, columns }: ListQuery<T>,
  more: readonly string[],
  bindings: Bindings,
): string {
  const { table } = type;
  const column = (property: PropertyOf<T>) => table.column(property, 't');
  const { where: range, orderBy } = keysetSql(keyset, request, column, bindings.bind);
  return `SELECT ${table.selectList(columns, 't')} FROM ${table.name} t${whereSql(type, where, [...more, ...range], bindings)}
    ORDER BY ${orderBy} LIMIT ${bindings.bind(request.limit + 1)}`;
}

function whereSql<T extends Node>(
  { table }: NodeType<T>,
  where: readonly Condition<T>[],
  more: readonly string[],
  { bind }: Bindings,
): string {
  const all = [...more, ...where.map((condition) => conditionSql(table, 't', condition, bind))];
  return all.length > 0 ? ` WHERE ${all.join(' AND ')}` : '';
}
