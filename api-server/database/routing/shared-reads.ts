/**
 * Concurrent requests share reads: identical statements run once, and lookups by key of one table and
 * the same columns are one statement with all keys. Only reads that start in the same turn of the
 * event loop are shared, so no request waits for another one, and none gets rows that were read
 * before it started: it reads its own earlier writes.
 */
import type { Access } from '../access.js';
import { sqlState } from '../pool/connection-errors.js';
import { DatabaseSession, databaseSession } from '../pool/session.js';

/** Lookup of rows by a unique column. */
export interface KeyedRead {
  access: Access;
  /** A statement whose only parameter is the array of keys. */
  sql: string;
  /** The column of the result that contains the key. */
  key: string;
}

/** Shared by several requests, so they must not be modified. */
export type SharedRow = Readonly<Record<string, unknown>>;

type Run = (access: Access, text: string, values?: unknown[]) => Promise<{ rows: SharedRow[] }>;

/** Bounds the array of one statement. */
const MAX_KEYS = 1_000;
/** SQLSTATE class of invalid values. */
const DATA_EXCEPTION = '22';

export class SharedReads {
  readonly #identical = new Map<string, Shared<readonly SharedRow[]>>();
  readonly #keyed = new Map<string, { keys: Set<string>; shared: Shared<ReadonlyMap<unknown, SharedRow>> }>();

  constructor(private readonly run: Run) {}

  /** The rows of a statement. */
  rows(access: Access, text: string, values: unknown[]): Promise<readonly SharedRow[]> {
    const id = `${text}${JSON.stringify(values)}`;
    const known = this.#identical.get(id);
    if (known) return known.join(access);
    const shared = new Shared(
      async () => (await this.run(access, text, values)).rows,
      () => this.#identical.delete(id),
    );
    this.#identical.set(id, shared);
    return shared.join(access);
  }

  /** The rows by their keys, and those of other requests. */
  async byKey(read: KeyedRead, keys: readonly string[]): Promise<ReadonlyMap<unknown, SharedRow>> {
    const { access, sql } = read;
    const batch = this.#keyed.get(sql) ?? this.#newBatch(read);
    if (batch.keys.size + keys.length > MAX_KEYS) return this.#byKey(read, keys);
    for (const key of keys) batch.keys.add(key);
    try {
      return await batch.shared.join(access);
    } catch (error) {
      // An invalid key, which may be that of another request.
      if (batch.shared.isAlone || !sqlState(error)?.startsWith(DATA_EXCEPTION)) throw error;
      return this.#byKey(read, keys);
    }
  }

  #newBatch(read: KeyedRead) {
    const keys = new Set<string>();
    const shared = new Shared(
      () => this.#byKey(read, [...keys]),
      () => this.#keyed.delete(read.sql),
    );
    const batch = { keys, shared };
    this.#keyed.set(read.sql, batch);
    return batch;
  }

  async #byKey(read: KeyedRead, keys: readonly string[]) {
    return rowsByKey(read, (await this.run(read.access, read.sql, [keys])).rows);
  }
}

export function rowsByKey({ key }: KeyedRead, rows: readonly SharedRow[]): ReadonlyMap<unknown, SharedRow> {
  return new Map(rows.map((row) => [row[key], row]));
}

/** One read. It starts after this turn of the event loop, and is cancelled when all its requests are. */
class Shared<T> {
  readonly #session = new DatabaseSession();
  readonly #result: Promise<T>;
  #started = 0;
  #interested = 0;

  /** @param close no further request may join */
  constructor(read: () => Promise<T>, close: () => void) {
    this.#result = new Promise((resolve, reject) => {
      setImmediate(() => {
        close();
        databaseSession.run(this.#session, read).then(resolve, reject);
      });
    });
    this.#result.catch(() => undefined); // its requests handle it, but all of them may be cancelled
  }

  get isAlone(): boolean {
    return this.#started === 1;
  }

  async join(access: Access): Promise<T> {
    const session = databaseSession.getStore();
    session?.throwIfCancelled();
    this.#started += 1;
    this.#interested += 1;
    if (!session) return this.#result;
    session.recordAccess(access);
    const leave = (reason: unknown) => {
      this.#interested -= 1;
      if (this.#interested === 0) this.#session.cancel(reason);
    };
    const result = await session.cancellable(leave, () => this.#result);
    session.throwIfCancelled();
    return result;
  }
}
