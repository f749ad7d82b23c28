/** Data loader for entities by a unique column: one statement for all concurrent lookups of a request. */
import DataLoader from 'dataloader';
import type { PropertyOf } from '../../database/entity-table.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { observedBatch } from '../../observability/metrics/batch-observer.js';
import type { Node } from './node.js';
import type { NodeType } from './node-type.js';
import type { FieldNames } from './selection.js';

interface Wanted<T> {
  key: string;
  columns: readonly PropertyOf<T>[];
}

/** Short IDs for column lists. Look-ahead returns the same array for the same selection. */
const numbers = new WeakMap<readonly unknown[], number>();
let lastNumber = 0;

function numberOf(columns: readonly unknown[]): number {
  const known = numbers.get(columns);
  if (known !== undefined) return known;
  lastNumber += 1;
  numbers.set(columns, lastNumber);
  return lastNumber;
}

export class EntityLoader<T extends Node> {
  /** Created on first use: a request uses few of its loaders. */
  #loader: DataLoader<Wanted<T>, T | null, string> | undefined;
  readonly #key: readonly PropertyOf<T>[];

  constructor(
    private readonly dataSource: DataSource,
    private readonly type: NodeType<T>,
    private readonly by: PropertyOf<T> = 'uuid',
  ) {
    this.#key = [by];
  }

  /** The entity with at least the columns of these fields; all columns when `fields` is undefined. */
  load(key: string, fields?: FieldNames): Promise<T | null> {
    const columns = fields ? this.type.columnsFor(fields, this.#key) : this.type.table.properties;
    this.#loader ??= this.#newLoader();
    return this.#loader.load({ key, columns });
  }

  #newLoader(): DataLoader<Wanted<T>, T | null, string> {
    const { dataSource, type, by } = this;
    return new DataLoader<Wanted<T>, T | null, string>(
      observedBatch(type.table.name, (wanted) => readEntities(dataSource, type, by, wanted)),
      // A row that was loaded for other fields may lack a selected column.
      { cacheKeyFn: ({ key, columns }) => `${numberOf(columns)} ${key}` },
    );
  }
}

async function readEntities<T extends Node>(
  dataSource: DataSource,
  { table }: NodeType<T>,
  by: PropertyOf<T>,
  wanted: readonly Wanted<T>[],
): Promise<(T | null)[]> {
  const columns = allColumns(table.properties, wanted);
  const keys = [...new Set(wanted.map(({ key }) => key))];
  const sql = `SELECT ${table.selectList(columns, 't')} FROM ${table.name} t
    WHERE ${table.column(by, 't')} = ANY (CAST($1 AS ${table.sqlType(by)}[]))`;
  const access = { mode: 'read', tables: [table.name] } as const;
  const rows = await dataSource.readByKey({ access, sql, key: by }, keys);
  const found = new Map<string, T>();
  for (const key of keys) {
    const row = rows.get(key);
    if (row) found.set(key, table.hydrate(row));
  }
  return wanted.map(({ key }) => found.get(key) ?? null);
}

/** The union of all columns; usually they are the same. */
function allColumns<T>(
  properties: readonly PropertyOf<T>[],
  wanted: readonly Wanted<T>[],
): readonly PropertyOf<T>[] {
  const [first] = wanted;
  if (first && wanted.every(({ columns }) => columns === first.columns)) return first.columns;
  const asked = new Set(wanted.flatMap(({ columns }) => columns));
  return properties.filter((property) => asked.has(property));
}
