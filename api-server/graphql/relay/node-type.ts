/** Description of a node type for the relay modules: table, sort orders, and columns per field. */
import { EntityTable, type PropertyOf } from '../../database/entity-table.js';
import type { Keyset } from './keyset.js';
import type { Node } from './node.js';
import type { FieldNames } from './selection.js';

/** Columns of fields that do not read a column of the same name: relations and computed fields. */
export type FieldNeeds<T> = Readonly<Record<string, readonly PropertyOf<T>[]>>;

/** Sort orders by their names in the API. */
export type Orders<T> = Readonly<Record<string, Omit<Keyset<T>, 'direction' | 'name'>>>;

export interface NodeTypeOptions<T> {
  /** Columns of fields that do not read a column of the same name. */
  needs?: FieldNeeds<T>;
  /** Available sort orders; the first one is the default. */
  orders: Orders<T>;
  defaultDirection: Keyset<T>['direction'];
}

const NONE: readonly never[] = [];

export class NodeType<T extends Node> {
  readonly table: EntityTable<T>;
  readonly orders: Orders<T>;
  /** The order of lists without `orderBy`. */
  readonly defaultOrder: Keyset<T>;
  readonly #needs: FieldNeeds<T>;
  /** Look-ahead returns the same set for the same place in a document. */
  readonly #columns = new WeakMap<FieldNames, Map<string, readonly PropertyOf<T>[]>>();

  constructor(
    readonly name: string,
    entity: new () => T,
    { needs = {}, orders, defaultDirection }: NodeTypeOptions<T>,
  ) {
    const [first] = Object.values(orders);
    if (!first) throw new Error(`${name} has no order`);
    this.table = new EntityTable(entity);
    this.orders = orders;
    this.defaultOrder = { ...first, direction: defaultDirection };
    this.#needs = needs;
  }

  /** The columns of these fields and the primary key, in a fixed order. */
  columnsFor(fields: FieldNames, more: readonly PropertyOf<T>[] = NONE): readonly PropertyOf<T>[] {
    const key = more.join();
    const known = this.#columns.get(fields)?.get(key);
    if (known) return known;
    const columns = this.#columnsFor(fields, more);
    const ofFields = this.#columns.get(fields) ?? new Map<string, readonly PropertyOf<T>[]>();
    this.#columns.set(fields, ofFields.set(key, columns));
    return columns;
  }

  #columnsFor(fields: FieldNames, more: readonly PropertyOf<T>[]): readonly PropertyOf<T>[] {
    const wanted = new Set<string>(['uuid', ...more]);
    for (const field of fields) {
      const needs = Object.hasOwn(this.#needs, field) ? this.#needs[field] : undefined;
      if (needs) for (const property of needs) wanted.add(property);
      else if (this.table.has(field)) wanted.add(field);
      // A field without a declaration may read any column.
      else if (field !== 'id' && field !== '__typename') return this.table.properties;
    }
    return this.table.properties.filter((property) => wanted.has(property));
  }
}
