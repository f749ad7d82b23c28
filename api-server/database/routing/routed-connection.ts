/**
 * A pool connection for TypeORM. It holds a real connection only during a transaction. Other
 * statements are routed individually.
 */
import { EventEmitter } from 'node:events';
import type { PoolClient, QueryResult } from 'pg';
import { statementKind } from './statement-kind.js';
import type { StatementRouter } from './statement-router.js';

type Callback = (error: unknown, result?: QueryResult) => void;

export class RoutedConnection extends EventEmitter {
  #transaction: PoolClient | undefined;
  readonly #onError = (error: Error) => this.emit('error', error);

  constructor(private readonly router: StatementRouter) {
    super();
  }

  query(text: string, values?: unknown[] | Callback, callback?: Callback): Promise<QueryResult> | undefined {
    if (typeof text !== 'string') throw new TypeError('streams are not supported; read in pages');
    const done = typeof values === 'function' ? values : callback;
    const result = this.#run(text, Array.isArray(values) ? values : undefined);
    if (!done) return result;
    result.then((rows) => done(null, rows), done);
    return undefined;
  }

  /** Releases its connection. An open transaction is rolled back by closing the connection. */
  release(error?: Error): void {
    if (this.#transaction) this.#leave(error ?? new Error('the transaction is still open'));
  }

  async #run(text: string, values?: unknown[]): Promise<QueryResult> {
    const kind = statementKind(text);
    if (kind === 'begin' && !this.#transaction) {
      this.#transaction = await this.router.begin(text);
      this.#transaction.on('error', this.#onError);
      return NOTHING;
    }
    if (!this.#transaction) return this.router.run(text, values);
    const result = await this.router.within(this.#transaction, text, values);
    if (kind === 'end') this.#leave();
    return result;
  }

  #leave(error?: Error): void {
    const client = this.#transaction;
    this.#transaction = undefined;
    client?.removeListener('error', this.#onError);
    client?.release(error);
  }
}

const NOTHING: QueryResult = { command: 'BEGIN', rowCount: null, oid: 0, rows: [], fields: [] };

/** The `driver` option of a TypeORM data source whose pool is the router. */
export function routedDriver(router: StatementRouter): { Pool: unknown } {
  class RoutedPool extends EventEmitter {
    connect(callback: (error: unknown, connection?: RoutedConnection, release?: unknown) => void): void {
      const connection = new RoutedConnection(router);
      callback(undefined, connection, (error?: Error) => connection.release(error));
    }

    /** The pools of the servers are closed by their owner. */
    end(callback: () => void): void {
      callback();
    }
  }
  return { Pool: RoutedPool };
}
