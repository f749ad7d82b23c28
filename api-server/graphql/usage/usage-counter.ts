/**
 * Counts the uses of the schema in memory. A request costs one addition: its coordinates are collected
 * once per operation, and multiplied when the counts are taken.
 */
import type { GraphQLSchema } from 'graphql';
import type { KnownOperation } from '../execution/known-documents.js';
import { type OperationUse, operationUse } from './operation-use.js';
import type { UsageClient } from './usage-client.js';

/** Uses of a coordinate by a client. */
export interface Usage extends UsageClient {
  coordinate: string;
  count: number;
}

export interface UsageCounterParts {
  schema: GraphQLSchema;
  /** Distinct names of clients per UTC day and process; further ones are counted as {@link OTHER_CLIENTS}. */
  maxClients: number;
}

export const OTHER_CLIENTS = 'other';
/**
 * Applications and versions per name and day; further ones are counted without. Clients report them themselves, so one
 * must not use up the limits of all.
 */
const MAX_APPLICATIONS = 10;

/** Operations are resolved into coordinates when there are more: then clients send many distinct documents. */
const MAX_OPERATIONS = 500;
/** Maximum number of usages in memory, about 10 MB. Further ones are dropped, and reported as dropped. */
const MAX_USAGES = 50_000;

interface ClientUses {
  client: UsageClient;
  /** By the uses of an operation: its document, which can be large, is not retained. */
  operations: Map<OperationUse, number>;
  coordinates: Map<string, number>;
}

export class UsageCounter {
  readonly #clients = new Map<string, ClientUses>();
  /** Names of this day, each with its applications, so that several flushes of one day do not exceed the limits. */
  #namesOfDay = firstNames();
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
    const { use } = operation;
    const before = uses.operations.get(use);
    uses.operations.set(use, (before ?? 0) + 1);
    const { variables } = use;
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
    if (day !== this.#day) this.#namesOfDay = firstNames();
    this.#day = day;
    return { usages, dropped };
  }

  /** After a failed write. The limits of the memory apply. */
  restore(usages: readonly Usage[]): void {
    for (const { coordinate, count, name, application, version } of usages) {
      this.#add(this.#usesOf({ name, application, version }), coordinate, count);
    }
  }

  #usesOf(given: UsageClient): ClientUses {
    const known = this.#clients.get(keyOf(given));
    if (known) return known;
    const client = this.#limited(given);
    const key = keyOf(client);
    const uses = this.#clients.get(key) ?? { client, operations: new Map(), coordinates: new Map() };
    this.#clients.set(key, uses);
    return uses;
  }

  /** The client, or what it is counted as within the limits of the day. */
  #limited({ name: given, application, version }: UsageClient): UsageClient {
    const names = this.#namesOfDay;
    const name = names.has(given) || names.size <= this.parts.maxClients ? given : OTHER_CLIENTS;
    const applications = names.get(name) ?? new Set();
    names.set(name, applications);
    const key = `${application}\n${version}`;
    if (applications.size >= MAX_APPLICATIONS && !applications.has(key))
      return { name, application: '', version: '' };
    applications.add(key);
    return { name, application, version };
  }

  #resolveOperations(): void {
    for (const uses of this.#clients.values()) {
      for (const [{ coordinates }, count] of uses.operations) {
        for (const coordinate of coordinates) this.#add(uses, coordinate, count);
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

function firstNames(): Map<string, Set<string>> {
  return new Map([[OTHER_CLIENTS, new Set()]]);
}

function keyOf({ name, application, version }: UsageClient): string {
  return `${name}\n${application}\n${version}`;
}

function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10);
}
