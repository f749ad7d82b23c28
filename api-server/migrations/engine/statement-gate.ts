/** Serializes the statements that the code of a migration sends, and passes each of them to a check. */
import { setImmediate } from 'node:timers/promises';
import type { Client, QueryResult } from 'pg';
import type { QueryRunner } from 'typeorm';
import { type DriverGate, type DriverMethod, withDriverGate } from './driver-gate.js';
import { RefusedError } from './refused-error.js';

// biome-ignore lint/suspicious/noExplicitAny: rows of any statement
export type Query = (sql: string, values?: unknown[]) => Promise<any[]>;

export interface SentStatement {
  sql: string;
  /** Sends the statement, or the given SQL instead. */
  send(sql?: string): Promise<QueryResult>;
  /** Sends a statement of the runner on the same connection. */
  query: Query;
}

/** Sends the statement, or throws a `RefusedError`. */
export type StatementCheck = (statement: SentStatement) => Promise<QueryResult>;

/** Runs `work`, the code of the migration `name`, with a check of each statement. */
export async function withStatementCheck(
  runner: QueryRunner,
  name: string,
  check: StatementCheck,
  work: () => Promise<void>,
): Promise<void> {
  const client: Client = await runner.connect();
  const gate = new StatementGate(client, name, check);
  try {
    await withDriverGate(gate, client, async () => {
      try {
        await work();
      } finally {
        await gate.finish();
      }
    });
  } catch (error) {
    throw gate.refusal ?? error; // TypeORM wraps it
  }
  if (gate.refusal) throw gate.refusal; // the migration may have caught it
}

class StatementGate implements DriverGate {
  /** The first error of a check. No statement is sent after it. */
  refusal: RefusedError | undefined;
  readonly #accepted = new Set<string>();
  #isFinished = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly client: Client,
    private readonly name: string,
    private readonly check: StatementCheck,
  ) {}

  /** Waits for statements that the migration did not await. */
  async finish(): Promise<void> {
    for (let last: unknown; last !== this.#last; ) {
      last = this.#last;
      await last;
      await setImmediate(); // TypeORM passes a statement to the driver asynchronously
    }
    this.#isFinished = true;
  }

  query(client: Client, [config, ...more]: unknown[], send: DriverMethod): unknown {
    const { text, callback, ...rest } = statementOf(config);
    const done = [...more, callback].find((one) => typeof one === 'function');
    const values = more.find(Array.isArray);
    const result = this.#enqueue(async () => {
      if (client !== this.client) this.connect();
      if (this.#isFinished) this.#refuse('sends a statement after the end of `up`');
      if (text === undefined) this.#refuse('sends a query object without SQL text');
      if (this.refusal) throw this.refusal;
      const write = (sql: string, options: object): Promise<QueryResult> => {
        this.#accepted.add(sql);
        return send.call(client, { ...options, text: sql });
      };
      return this.check({
        sql: text,
        send: (sql = text) => write(sql, { ...rest, ...(values && { values }) }),
        query: async (sql, parameters) => (await write(sql, parameters ? { values: parameters } : {})).rows,
      });
    });
    if (!done) return result;
    result.then(
      (rows) => done(null, rows),
      (error) => done(error),
    );
    return undefined;
  }

  write(sql: string): void {
    if (!this.#accepted.has(sql)) this.#refuse('writes to the connection of the query runner');
  }

  connect(): never {
    return this.#refuse(
      'uses another connection; use the query runner that `up` receives, which holds the lock',
    );
  }

  #refuse(violation: string): never {
    this.refusal ??= new RefusedError(`${this.name} ${violation}`);
    throw this.refusal;
  }

  #enqueue(run: () => Promise<QueryResult>): Promise<QueryResult> {
    const result = this.#last.then(run).catch((error: unknown) => {
      if (error instanceof RefusedError) this.refusal ??= error;
      throw error;
    });
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/**
 * Normalizes the first argument of `client.query`. The result of a submittable query (cursor, stream) has no
 * `text`.
 */
function statementOf(config: unknown): { text?: string; callback?: unknown } {
  if (typeof config === 'string') return { text: config };
  const isPlain = typeof config === 'object' && config !== null && !('submit' in config);
  return isPlain ? (config as { text?: string }) : {};
}
