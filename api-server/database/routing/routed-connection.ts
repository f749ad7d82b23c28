/**
 * A pool connection for TypeORM. It holds a real connection only during a transaction. Other
 * statements are routed individually, by the access that was declared for the connection.
 */
import { EventEmitter } from 'node:events';
import type { QueryResult } from 'pg';
import type { Access } from '../access.js';
import type { PoolConnection } from '../pool/database-server.js';
import type { StatementRunner } from './statement-router.js';

type Callback = (error: unknown, result?: QueryResult) => void;

export class RoutedConnection extends EventEmitter {
  #transaction: PoolConnection | undefined;
  readonly #onError = (error: Error) => this.emit('error', error);

  constructor(
    private readonly router: StatementRunner,
    /** Access of the statements, until another one is declared. */
    public access: () => Access,
  ) {
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
    if (text === BEGIN) {
      this.#transaction = await this.router.begin(this.access(), text);
      this.#transaction.client.on('error', this.#onError);
      return NOTHING;
    }
    if (!this.#transaction) return this.router.run(this.access(), text, values);
    const result = await this.router.within(this.#transaction.client, text, values);
    if (ENDS.has(text)) this.#leave();
    return result;
  }

  #leave(error?: Error): void {
    const connection = this.#transaction;
    this.#transaction = undefined;
    connection?.client.removeListener('error', this.#onError);
    connection?.release(error);
  }
}

/** The statements by which TypeORM's query runner starts and ends a transaction. */
const BEGIN = 'START TRANSACTION';
const ENDS: ReadonlySet<string> = new Set(['COMMIT', 'ROLLBACK']);

const NOTHING: QueryResult = { command: 'BEGIN', rowCount: null, oid: 0, rows: [], fields: [] };

/**
 * The `driver` option of a TypeORM data source whose pool is the router. `undeclared` is the access
 * of connections without a declaration.
 */
export function routedDriver(router: StatementRunner, undeclared: () => Access): { Pool: unknown } {
  class RoutedPool extends EventEmitter {
    connect(callback: (error: unknown, connection?: RoutedConnection, release?: unknown) => void): void {
      const connection = new RoutedConnection(router, undeclared);
      callback(undefined, connection, (error?: Error) => connection.release(error));
    }

    /** The pools of the servers are closed by their owner. */
    end(callback: () => void): void {
      callback();
    }
  }
  return { Pool: RoutedPool };
}
