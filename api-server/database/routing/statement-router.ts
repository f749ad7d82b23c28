/** Routes statements to the primary or the replica, and retries them where that is safe. */
import { ExponentialBackoff, handleWhen, type RetryPolicy, retry } from 'cockatiel';
import type { PoolClient, QueryResult } from 'pg';
import type { Logger } from '../../observability/logging/logger.js';
import { isDatabaseAway, isPoolExhausted, isReplicaConflict, sqlState } from '../pool/connection-errors.js';
import type { DatabaseServer } from '../pool/database-server.js';
import { type DatabaseSession, databaseSession } from '../pool/session.js';
import type { ReplicaMonitor } from '../replica/replica-monitor.js';
import { statementKind } from './statement-kind.js';

export interface RouterParts {
  primary: DatabaseServer;
  replica?: { server: DatabaseServer; monitor: ReplicaMonitor };
  /** Cancels the running statement of a connection. */
  cancel(client: PoolClient): Promise<void>;
  onRetry(what: 'read' | 'connect', error: unknown): void;
  log: Logger;
}

/** Two retries within about one second. After that, the client should get the error. */
const RETRY = { maxAttempts: 2, backoff: new ExponentialBackoff({ initialDelay: 50, maxDelay: 500 }) };

export class StatementRouter {
  readonly #retryRead = retry(handleWhen(isWorthRetrying), RETRY);
  readonly #retryConnect = retry(handleWhen(isWorthRetrying), RETRY);

  constructor(private readonly parts: RouterParts) {
    this.#retryRead.onRetry((reason) => parts.onRetry('read', 'error' in reason ? reason.error : undefined));
    this.#retryConnect.onRetry((reason) =>
      parts.onRetry('connect', 'error' in reason ? reason.error : undefined),
    );
  }

  /** Runs a statement outside of a transaction. */
  run(text: string, values?: unknown[]): Promise<QueryResult> {
    const session = databaseSession.getStore();
    session?.noteTables(text);
    if (statementKind(text) === 'read') return this.#read(session, text, values);
    if (session) session.wrote = true;
    return this.#write(session, text, values);
  }

  /** A connection to the primary for a transaction, which `text` starts. */
  async begin(text: string): Promise<PoolClient> {
    const { primary } = this.parts;
    const session = databaseSession.getStore();
    if (session) session.wrote = true;
    // Before BEGIN has succeeded there are no effects, so both steps can be retried.
    return again(this.#retryConnect, () =>
      primary.guard(async () => {
        const client = await primary.acquire();
        try {
          await client.query(text);
          return client;
        } catch (error) {
          client.release(error as Error);
          throw error;
        }
      }),
    );
  }

  /** Runs a statement of a transaction. */
  within(client: PoolClient, text: string, values?: unknown[]): Promise<QueryResult> {
    const session = databaseSession.getStore();
    session?.noteTables(text);
    return this.#cancellable(client, session, text, values);
  }

  #read(session: DatabaseSession | undefined, text: string, values?: unknown[]): Promise<QueryResult> {
    return again(this.#retryRead, () => this.#readOnce(session, text, values));
  }

  /** Reads from the replica if allowed and possible; otherwise, or after a conflict, from the primary. */
  async #readOnce(
    session: DatabaseSession | undefined,
    text: string,
    values?: unknown[],
  ): Promise<QueryResult> {
    const { primary, replica } = this.parts;
    let server = this.#readsFrom(session);
    const learning = server === primary ? undefined : session?.learnPosition();
    if (learning) {
      await learning;
      server = this.#readsFrom(session);
    }
    if (server === primary) return this.#once(primary, session, text, values);
    try {
      return await this.#once(server, session, text, values);
    } catch (error) {
      if (!isDatabaseAway(error) && !isReplicaConflict(error)) throw error;
      replica?.monitor.checkSoon();
      this.parts.onRetry('read', error);
      return this.#once(primary, session, text, values);
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
  async #write(session: DatabaseSession | undefined, text: string, values?: unknown[]): Promise<QueryResult> {
    const { primary } = this.parts;
    const client = await again(this.#retryConnect, () => primary.guard(() => primary.acquire()));
    return this.#use(client, session, text, values);
  }

  #once(
    server: DatabaseServer,
    session: DatabaseSession | undefined,
    text: string,
    values?: unknown[],
  ): Promise<QueryResult> {
    return server.guard(async () => {
      session?.throwIfCancelled();
      const client = await server.acquire();
      return this.#use(client, session, text, values);
    });
  }

  async #use(
    client: PoolClient,
    session: DatabaseSession | undefined,
    text: string,
    values?: unknown[],
  ): Promise<QueryResult> {
    if (session?.isCancelled) client.release(); // cancelled while it waited for the connection
    session?.throwIfCancelled();
    try {
      const result = await this.#cancellable(client, session, text, values);
      client.release();
      return result;
    } catch (error) {
      // An error without a SQLSTATE does not come from the server, so the state of the connection is
      // unknown.
      const isWell = sqlState(error)?.length === 5 && !isDatabaseAway(error);
      client.release(isWell ? undefined : (error as Error));
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

/** An exhausted pool is not retried, because retries would lengthen its queue. */
function isWorthRetrying(error: unknown): boolean {
  return isDatabaseAway(error) && !isPoolExhausted(error);
}
