/** What the relay machinery knows of one type: its table, its orders, and what its fields need. */
import { EntityTable, type PropertyOf } from '../../database/entity-table.js';
import type { Keyset } from './keyset.js';
import type { Node } from './node.js';
import type { FieldNames } from './selection.js';

/** Columns of fields that are not a column of the same name: those of relations, and of what is computed. */
export type FieldNeeds<T> = Readonly<Record<string, readonly PropertyOf<T>[]>>;

/** Sort orders by the names that clients use. */
export type Orders<T> = Readonly<Record<string, Omit<Keyset<T>, 'direction' | 'name'>>>;

export interface NodeTypeOptions<T> {
  /** Fields that read other columns than one of their own name. */
  needs?: FieldNeeds<T>;
  /** What lists can be sorted by; the first is the default. */
  orders: Orders<T>;
  defaultDirection: Keyset<T>['direction'];
}

const NONE: readonly never[] = [];

export class NodeType<T extends Node> {
  readonly table: EntityTable<T>;
  readonly orders: Orders<T>;
  /** How a list is sorted when nobody says. */
  readonly defaultOrder: Keyset<T>;
  readonly #needs: FieldNeeds<T>;
  /** Look-ahead gives the same set of fields for the same place in a document. */
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

  /** The columns to read for these fields; the key is always among them. In one order, whatever the query's. */
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
      // A field that nobody has declared may read anything.
      else if (field !== 'id' && field !== '__typename') return this.table.properties;
    }
    return this.table.properties.filter((property) => wanted.has(property));
  }
}
