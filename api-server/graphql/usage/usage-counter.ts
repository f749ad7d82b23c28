/**
 * Counts the uses of the schema in memory. A request costs one addition: its coordinates are collected
 * once per operation, and multiplied when the counts are taken.
 */
import type { GraphQLSchema } from 'graphql';
import type { KnownOperation } from '../execution/known-documents.js';
import { operationUse } from './operation-use.js';
import type { UsageClient } from './usage-client.js';

/** Uses of a coordinate by a client. */
export interface Usage extends UsageClient {
  coordinate: string;
  count: number;
}

export interface UsageCounterParts {
  schema: GraphQLSchema;
  /** Distinct clients per UTC day and process; further ones are counted as {@link OTHER_CLIENTS}. */
  maxClients: number;
}

export const OTHER_CLIENTS: UsageClient = { name: 'other', application: '', version: '' };

/** Operations are resolved into coordinates when there are more: then clients send many distinct documents. */
const MAX_OPERATIONS = 2_000;
/** Maximum number of usages in memory, about 10 MB. Further ones are dropped, and reported as dropped. */
const MAX_USAGES = 50_000;

interface ClientUses {
  client: UsageClient;
  operations: Map<KnownOperation, number>;
  coordinates: Map<string, number>;
}

export class UsageCounter {
  readonly #clients = new Map<string, ClientUses>();
  /** Clients of this day, so that distinct clients of one day cannot exceed the limit with several flushes. */
  #clientsOfDay = new Set<string>();
  #day = dayOf(new Date());
  #operations = 0;
  #usages = 0;
  #dropped = 0;

  constructor(private readonly parts: UsageCounterParts) {}

  /** `values` are the variables as they were sent, and must be valid. */
  count(
    operation: KnownOperation,
    client: UsageClient,
    values: Readonly<Record<string, unknown>> | null | undefined,
  ): void {
    const uses = this.#usesOf(client);
    const { definition, fragments } = operation.prepared;
    operation.use ??= operationUse(this.parts.schema, definition, fragments);
    const before = uses.operations.get(operation);
    uses.operations.set(operation, (before ?? 0) + 1);
    const { variables } = operation.use;
    if (variables && values) variables.forEach(values, (coordinate) => this.#add(uses, coordinate, 1));
    if (before !== undefined) return;
    this.#operations += 1;
    if (this.#operations > MAX_OPERATIONS) this.#resolveOperations();
  }

  /** The counts since the last call. `restore` adds them again. */
  take(now = new Date()): { usages: Usage[]; dropped: number } {
    this.#resolveOperations();
    const usages = [...this.#clients.values()].flatMap(({ client, coordinates }) =>
      [...coordinates].map(([coordinate, count]) => ({ ...client, coordinate, count })),
    );
    const dropped = this.#dropped;
    this.#clients.clear();
    this.#usages = 0;
    this.#dropped = 0;
    const day = dayOf(now);
    if (day !== this.#day) this.#clientsOfDay = new Set();
    this.#day = day;
    return { usages, dropped };
  }

  /** After a failed write. The limits of the memory apply. */
  restore(usages: readonly Usage[]): void {
    for (const { coordinate, count, name, application, version } of usages) {
      this.#add(this.#usesOf({ name, application, version }), coordinate, count);
    }
  }

  #usesOf(client: UsageClient): ClientUses {
    const key = `${client.name}\n${client.application}\n${client.version}`;
    const known = this.#clients.get(key);
    if (known) return known;
    if (client !== OTHER_CLIENTS && !this.#clientsOfDay.has(key)) {
      if (this.#clientsOfDay.size >= this.parts.maxClients) return this.#usesOf(OTHER_CLIENTS);
      this.#clientsOfDay.add(key);
    }
    const uses = { client, operations: new Map(), coordinates: new Map() };
    this.#clients.set(key, uses);
    return uses;
  }

  #resolveOperations(): void {
    for (const uses of this.#clients.values()) {
      for (const [{ use }, count] of uses.operations) {
        for (const coordinate of use?.coordinates ?? []) this.#add(uses, coordinate, count);
      }
      uses.operations.clear();
    }
    this.#operations = 0;
  }

  #add({ coordinates }: ClientUses, coordinate: string, count: number): void {
    const before = coordinates.get(coordinate);
    if (before === undefined && this.#usages >= MAX_USAGES) {
      this.#dropped += 1;
      return;
    }
    if (before === undefined) this.#usages += 1;
    coordinates.set(coordinate, (before ?? 0) + count);
  }
}

function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10);
}
