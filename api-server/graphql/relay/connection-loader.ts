/**
 * Data loader for connections of parent objects: parents with the same page share one statement per
 * request.
 */
import DataLoader from 'dataloader';
import type { PropertyOf } from '../../database/entity-table.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { observedBatch } from '../../observability/metrics/batch-observer.js';
import { type Page, toPage } from './connection.js';
import { countsByParent, type ListQuery, readPages } from './list-query.js';
import type { Node } from './node.js';
import type { NodeType } from './node-type.js';

interface Batch<T> {
  rows: DataLoader<string, T[]>;
  counts: DataLoader<string, number>;
}

export class ConnectionLoader<T extends Node> {
  readonly #batches = new Map<string, Batch<T>>();

  constructor(
    private readonly dataSource: DataSource,
    private readonly type: NodeType<T>,
  ) {}

  /** The page of rows whose `parent` column is `key`. */
  async load(parent: PropertyOf<T>, key: string, query: ListQuery<T>): Promise<Page<T>> {
    const same = JSON.stringify([parent, query]);
    const batch = this.#batches.get(same) ?? this.#newBatch(parent, query);
    this.#batches.set(same, batch);
    const rows = await batch.rows.load(key);
    return toPage(query.keyset, query.request, rows, () => batch.counts.load(key));
  }

  #newBatch(parent: PropertyOf<T>, query: ListQuery<T>): Batch<T> {
    const { dataSource, type } = this;
    const name = `${type.table.name} by ${parent}`;
    return {
      rows: new DataLoader(
        observedBatch(name, async (keys) => {
          const pages = await readPages(dataSource, type, parent, keys, query);
          return keys.map((key) => pages.get(key) ?? []);
        }),
      ),
      counts: new DataLoader(
        observedBatch(`${name}, counted`, async (keys) => {
          const counts = await countsByParent(dataSource, type, parent, keys, query.where);
          return keys.map((key) => counts.get(key) ?? 0);
        }),
      ),
    };
  }
}
