/** Single entities by a unique column, for one request: one statement for all that are asked for at once. */
import DataLoader from 'dataloader';
import type { DataSource } from 'typeorm';
import type { PropertyOf } from '../../database/entity-table.js';
import { observedBatch } from '../../metrics/batch-observer.js';
import type { Node } from './node.js';
import type { NodeType } from './node-type.js';
import type { FieldNames } from './selection.js';

interface Wanted<T> {
  key: string;
  columns: readonly PropertyOf<T>[];
}

export class EntityLoader<T extends Node> {
  readonly #loader: DataLoader<Wanted<T>, T | null, string>;

  constructor(
    dataSource: DataSource,
    private readonly type: NodeType<T>,
    private readonly by: PropertyOf<T> = 'uuid',
  ) {
    this.#loader = new DataLoader<Wanted<T>, T | null, string>(
      observedBatch(type.table.name, (wanted) => readEntities(dataSource, type, by, wanted)),
      // What was read for other fields may lack a column that is asked for now.
      { cacheKeyFn: ({ key, columns }) => `${key} ${columns.join()}` },
    );
  }

  /** The entity with at least the columns that these fields need; all of them when they are not known. */
  load(key: string, fields?: FieldNames): Promise<T | null> {
    const columns = fields ? this.type.columnsFor(fields, [this.by]) : this.type.table.properties;
    return this.#loader.load({ key, columns });
  }
}

async function readEntities<T extends Node>(
  dataSource: DataSource,
  { table }: NodeType<T>,
  by: PropertyOf<T>,
  wanted: readonly Wanted<T>[],
): Promise<(T | null)[]> {
  const asked = new Set(wanted.flatMap(({ columns }) => columns));
  const columns = table.properties.filter((property) => asked.has(property));
  const keys = [...new Set(wanted.map(({ key }) => key))];
  const sql = `SELECT ${table.selectList(columns, 't')} FROM ${table.name} t
    WHERE ${table.column(by, 't')} = ANY (CAST($1 AS ${table.sqlType(by)}[]))`;
  const rows: Record<string, unknown>[] = await dataSource.query(sql, [keys]);
  const byKey = new Map(rows.map((row) => [row[by], table.hydrate(row)]));
  return wanted.map(({ key }) => byKey.get(key) ?? null);
}
