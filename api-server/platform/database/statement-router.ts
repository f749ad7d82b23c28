/** Decides for each statement which server runs it, and runs it again where that is safe. */
import { ExponentialBackoff, handleWhen, type RetryPolicy, retry } from 'cockatiel';
import type { PoolClient, QueryResult } from 'pg';
import type { Logger } from '../logging/logger.js';
import { isDatabaseAway, isPoolExhausted, isReplicaConflict, sqlState } from './connection-errors.js';
import type { DatabaseServer } from './database-server.js';
import type { ReplicaMonitor } from './replica-monitor.js';
import { type DatabaseSession, databaseSession } from './session.js';
import { statementKind } from './statement-kind.js';

export interface RouterParts {
  primary: DatabaseServer;
  replica?: { server: DatabaseServer; monitor: ReplicaMonitor };
  /** Ends what a connection runs. */
  cancel(client: PoolClient): Promise<void>;
  onRetry(what: 'read' | 'connect', error: unknown): void;
  log: Logger;
}

/** Two more tries within about a second: longer, and the client should be told. */
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

  /** A statement outside of a transaction. */
  run(text: string, values?: unknown[]): Promise<QueryResult> {
    const session = databaseSession.getStore();
    session?.noteTables(text);
    if (statementKind(text) === 'read') return this.#read(session, text, values);
    if (session) session.wrote = true;
    return this.#write(session, text, values);
  }

  /** A connection to the primary for as long as a transaction takes, begun with `text`. */
  async begin(text: string): Promise<PoolClient> {
    const { primary } = this.parts;
    const session = databaseSession.getStore();
    if (session) session.wrote = true;
    // Nothing has happened before it has begun, so both steps may be done again.
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

  /** A statement of a transaction. */
  within(client: PoolClient, text: string, values?: unknown[]): Promise<QueryResult> {
    const session = databaseSession.getStore();
    session?.noteTables(text);
    return this.#cancellable(client, session, text, values);
  }

  #read(session: DatabaseSession | undefined, text: string, values?: unknown[]): Promise<QueryResult> {
    return again(this.#retryRead, () => this.#readOnce(session, text, values));
  }

  /** From the replica if that may and can be; what it could not do, the primary does. */
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

  /** Only the way to a connection is repeated: whether a lost statement has run can't be known. */
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
    if (session?.isCancelled) client.release(); // it was waited for too long
    session?.throwIfCancelled();
    try {
      const result = await this.#cancellable(client, session, text, values);
      client.release();
      return result;
    } catch (error) {
      // An error without a SQLSTATE is not the server's: then nobody knows what the connection will say next.
      const isWell = sqlState(error)?.length === 5 && !isDatabaseAway(error);
      client.release(isWell ? undefined : (error as Error));
      throw error;
    }
  }

  /** When the session is cancelled, the server is told to stop. */
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
      // Not before it is sent: it would hit whatever the connection does next.
      if (cancelled) await cancelled;
    }
  }
}

/** The first try costs nothing; the policy counts it once it has failed. */
function again<T>(policy: RetryPolicy, work: () => Promise<T>): Promise<T> {
  return work().catch((error: unknown) =>
    policy.execute(({ attempt }) => (attempt === 0 ? Promise.reject(error) : work())),
  );
}

/** A pool that is exhausted is not: more of the same would only make the queue longer. */
function isWorthRetrying(error: unknown): boolean {
  return isDatabaseAway(error) && !isPoolExhausted(error);
}
