/** Routes statements to the primary or the replica, and retries them where that is safe. */
import { ExponentialBackoff, handleWhen, type RetryPolicy, retry } from 'cockatiel';
import type { PoolClient, QueryResult } from 'pg';
import type { Logger } from '../../observability/logging/logger.js';
import type { Access } from '../access.js';
import {
  isDatabaseUnavailable,
  isPoolExhausted,
  isReplicaConflict,
  sqlState,
} from '../pool/connection-errors.js';
import type { DatabaseServer, PoolConnection } from '../pool/database-server.js';
import { type DatabaseSession, databaseSession } from '../pool/session.js';
import type { ReplicaMonitor } from '../replica/replica-monitor.js';
import { type KeyedRead, rowsByKey, SharedReads, type SharedRow } from './shared-reads.js';

export interface RouterParts {
  primary: DatabaseServer;
  replica?: { server: DatabaseServer; monitor: ReplicaMonitor };
  /** Cancels the running statement of a connection. */
  cancel(client: PoolClient): Promise<void>;
  onRetry(what: 'read' | 'connect', error: unknown): void;
  log: Logger;
}

interface Statement {
  access: Access;
  session: DatabaseSession | undefined;
  text: string;
  values: unknown[] | undefined;
}

/**
 * Two retries within about one second. After that, the client should get the error. An exhausted
 * pool is not retried, because retries would lengthen its queue.
 */
const RETRY = { maxAttempts: 2, backoff: new ExponentialBackoff({ initialDelay: 50, maxDelay: 500 }) };

/** Runs statements by their access. */
export type StatementRunner = Pick<StatementRouter, 'run' | 'readRows' | 'readByKey' | 'begin' | 'within'>;

export class StatementRouter {
  readonly #retryRead = retry(handleWhen(isDatabaseUnavailable), RETRY);
  readonly #retryConnect = retry(handleWhen(isDatabaseUnavailable), RETRY);
  readonly #shared = new SharedReads((access, text, values) => this.run(access, text, values));

  constructor(private readonly parts: RouterParts) {
    this.#retryRead.onRetry((reason) => parts.onRetry('read', 'error' in reason ? reason.error : undefined));
    this.#retryConnect.onRetry((reason) =>
      parts.onRetry('connect', 'error' in reason ? reason.error : undefined),
    );
  }

  /** Runs a statement outside of a transaction. */
  run(access: Access, text: string, values?: unknown[]): Promise<QueryResult> {
    const statement = { access, session: databaseSession.getStore(), text, values };
    statement.session?.recordAccess(access);
    return access.mode === 'read' ? this.#read(statement) : this.#write(statement);
  }

  /** The rows of a read. Concurrent requests share it, so the rows must not be modified. */
  async readRows(access: Access, text: string, values: unknown[]): Promise<readonly SharedRow[]> {
    // With a replica, the position of each client decides which server it reads from.
    return this.parts.replica
      ? (await this.run(access, text, values)).rows
      : this.#shared.rows(access, text, values);
  }

  /** At least the rows of these keys. Concurrent requests share them, so they must not be modified. */
  async readByKey(read: KeyedRead, keys: readonly string[]): Promise<ReadonlyMap<unknown, SharedRow>> {
    return this.parts.replica
      ? rowsByKey(read, (await this.run(read.access, read.sql, [keys])).rows)
      : this.#shared.byKey(read, keys);
  }

  /** Starts a transaction on the primary with `text`, for statements with this access. */
  async begin(access: Access, text: string): Promise<PoolConnection> {
    const { primary } = this.parts;
    databaseSession.getStore()?.recordAccess({ ...access, mode: 'write' });
    // Before BEGIN has succeeded there are no effects, so both steps can be retried.
    return again(this.#retryConnect, () =>
      primary.guard(async () => {
        const connection = await primary.acquire(access);
        try {
          await connection.client.query(text);
          return connection;
        } catch (error) {
          connection.release(error as Error);
          throw error;
        }
      }),
    );
  }

  /** Runs a statement of a transaction. */
  within(client: PoolClient, text: string, values?: unknown[]): Promise<QueryResult> {
    return this.#cancellable(client, databaseSession.getStore(), text, values);
  }

  #read(statement: Statement): Promise<QueryResult> {
    return again(this.#retryRead, () => this.#readOnce(statement));
  }

  /** Reads from the replica if allowed and possible; otherwise, or after a conflict, from the primary. */
  async #readOnce(statement: Statement): Promise<QueryResult> {
    const { primary, replica } = this.parts;
    const { session } = statement;
    let server = this.#readsFrom(session);
    const learning = server === primary ? undefined : session?.learnPosition();
    if (learning) {
      await learning;
      server = this.#readsFrom(session);
    }
    if (server === primary) return this.#once(primary, statement);
    try {
      return await this.#once(server, statement);
    } catch (error) {
      const mayHelp = isDatabaseUnavailable(error) || isPoolExhausted(error) || isReplicaConflict(error);
      if (!mayHelp) throw error;
      replica?.monitor.checkSoon();
      this.parts.onRetry('read', error);
      return this.#once(primary, statement);
    }
  }

  #readsFrom(session: DatabaseSession | undefined): DatabaseServer {
    const { primary, replica } = this.parts;
    const mayRead =
      replica && session && !session.wrote && !session.needsPrimary && !replica.server.circuitIsOpen;
    return mayRead && replica.monitor.canRead(session.lsn) ? replica.server : primary;
  }

  /**
   * Only acquiring a connection is retried: it is unknown whether a statement on a lost connection
   * was executed.
   */
  async #write(statement: Statement): Promise<QueryResult> {
    const { primary } = this.parts;
    const acquire = () => primary.acquire(statement.access);
    const connection = await again(this.#retryConnect, () => primary.guard(acquire));
    return this.#use(connection, statement);
  }

  #once(server: DatabaseServer, statement: Statement): Promise<QueryResult> {
    return server.guard(async () => {
      statement.session?.throwIfCancelled();
      return this.#use(await server.acquire(statement.access), statement);
    });
  }

  async #use(connection: PoolConnection, { session, text, values }: Statement): Promise<QueryResult> {
    if (session?.isCancelled) connection.release(); // cancelled while it waited for the connection
    session?.throwIfCancelled();
    try {
      const result = await this.#cancellable(connection.client, session, text, values);
      connection.release();
      return result;
    } catch (error) {
      // An error without a SQLSTATE does not come from the server, so the state of the connection is
      // unknown.
      const isWell = sqlState(error)?.length === 5 && !isDatabaseUnavailable(error);
      connection.release(isWell ? undefined : (error as Error));
      throw error;
    }
  }

  /** Sends a CancelRequest when the session is cancelled. */
  async #cancellable(
    client: PoolClient,
    session: DatabaseSession | undefined,
    text: string,
    values?: unknown[],
  ): Promise<QueryResult> {
    if (!session) return client.query(text, values);
    session.throwIfCancelled();
    let cancelled: Promise<void> | undefined;
    const cancel = () => {
      cancelled = this.parts.cancel(client);
    };
    try {
      return await session.cancellable(cancel, () => client.query(text, values));
    } finally {
      // Waits for it; otherwise it could cancel the next statement of the connection.
      if (cancelled) await cancelled;
    }
  }
}

/** The first attempt runs without the policy, which costs time. */
function again<T>(policy: RetryPolicy, work: () => Promise<T>): Promise<T> {
  return work().catch((error: unknown) =>
    policy.execute(({ attempt }) => (attempt === 0 ? Promise.reject(error) : work())),
  );
}
