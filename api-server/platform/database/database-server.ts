/** One PostgreSQL server: its pool, which is exchanged when the credentials change, and what guards it. */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
} from 'cockatiel';
import pg from 'pg';
import type { Settings } from '../../config/schema.js';
import { backoffMs } from '../backoff.js';
import type { Logger } from '../logging/logger.js';
import type { Secret } from '../secrets/secret.js';
import { isAuthenticationFailure, isDatabaseAway, isPoolExhausted } from './connection-errors.js';
import { observedClient } from './observed-client.js';
import type { StatementEvent } from './statement-observer.js';
import { fastTypes } from './timestamp-parser.js';
import { openWatchConnection, type WatchConnection } from './watch-connection.js';

export type ServerName = 'primary' | 'replica';

export interface ServerParts {
  name: ServerName;
  settings: Settings['database'];
  url: Secret;
  log: Logger;
  observe(event: StatementEvent): void;
}

/** What is known of a pool's connections. */
export interface PoolFigures {
  total: number;
  idle: number;
  /** Requests that wait for a free connection. */
  waiting: number;
}

const BREAKER = { failures: 5, halfOpenAfterMs: 500 };
const SWAP_BACKOFF = { initialMs: 500, maxMs: 30_000 };
/** How long what runs on the old credentials may take to end. */
const DRAIN_MS = 60_000;

export class DatabaseServer {
  #pool: pg.Pool;
  /** The URL in force: the newest that the server has accepted. */
  #url: string;
  #breaker: CircuitBreakerPolicy = newBreaker();
  #swapping: Promise<void> | undefined;
  #closed = false;
  /** Whether something has failed since the last success. */
  #failing = false;

  constructor(private readonly parts: ServerParts) {
    this.#url = parts.url.value;
    this.#pool = this.#newPool(this.#url);
    parts.url.onChange(() => void this.#swap());
  }

  get name(): ServerName {
    return this.parts.name;
  }

  get figures(): PoolFigures {
    const { totalCount: total, idleCount: idle, waitingCount: waiting } = this.#pool;
    return { total, idle, waiting };
  }

  get circuitIsOpen(): boolean {
    return this.#breaker.state === CircuitState.Open;
  }

  /** Runs `work` unless the circuit is open; connections that fail open it. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failing) {
      const result = await this.#breaker.execute(work);
      this.#failing = this.#breaker.state !== CircuitState.Closed;
      return result;
    }
    // As long as all is well the breaker has nothing to count, and its share of each statement is saved.
    try {
      return await work();
    } catch (error) {
      this.#failing = true;
      return this.#breaker.execute(() => Promise.reject(error));
    }
  }

  /** The server is known to be well again: what happened before no longer counts. */
  closeCircuit(): void {
    if (this.#breaker.state !== CircuitState.Closed) this.#breaker = newBreaker();
  }

  /** A connection of the pool. Refused credentials are read again before they are an error. */
  async acquire(): Promise<pg.PoolClient> {
    const pool = this.#pool;
    try {
      return await pool.connect();
    } catch (error) {
      if (!isAuthenticationFailure(error)) throw error;
      await this.#newCredentials();
      if (pool === this.#pool) throw error;
      return this.#pool.connect();
    }
  }

  /** A connection beside the pool, to watch over the server. */
  async openWatch(): Promise<WatchConnection> {
    const open = () => openWatchConnection(this.#url, this.parts.settings.connect_timeout);
    return open().catch(async (error: unknown) => {
      if (!isAuthenticationFailure(error)) throw error;
      await this.#newCredentials();
      return open();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.parts.url.close();
    await this.#pool.end();
  }

  /** Looks for other credentials, and waits a moment for them to be in use. */
  async #newCredentials(): Promise<void> {
    await this.parts.url.refresh();
    await Promise.race([
      this.#swapping,
      sleep(this.parts.settings.connect_timeout, undefined, { ref: false }),
    ]);
  }

  #newPool(url: string): pg.Pool {
    const { settings, name, log, observe } = this.parts;
    const pool = new pg.Pool({
      connectionString: url,
      max: settings.max_connections - 1, // one is the monitor's
      application_name: 'pcf-api',
      connectionTimeoutMillis: settings.connect_timeout,
      types: fastTypes,
      keepAlive: true,
      idleTimeoutMillis: 60_000,
      statement_timeout: settings.statement_timeout,
      // The server ends a statement that takes too long; this is for a server that is gone without a word.
      query_timeout: settings.statement_timeout + 5_000,
      idle_in_transaction_session_timeout: 60_000,
      Client: observedClient({ server: name, prepared: settings.prepared_statements, observe }),
    } as pg.PoolConfig);
    pool.on('error', (error) => log.warn({ err: error, server: name }, 'idle database connection lost'));
    return pool;
  }

  /** To the newest credentials, as soon as the server accepts them. Until then the old ones stay. */
  #swap(): Promise<void> {
    this.#swapping ??= this.#swapUntilDone().finally(() => {
      this.#swapping = undefined;
    });
    return this.#swapping;
  }

  async #swapUntilDone(): Promise<void> {
    const { url, log, name } = this.parts;
    for (let failures = 0; !this.#closed && url.value !== this.#url; failures += 1) {
      const wanted = url.value;
      let pool: pg.Pool | undefined;
      try {
        pool = this.#newPool(wanted);
        (await pool.connect()).release();
      } catch (error) {
        await pool?.end();
        const ms = backoffMs(failures, SWAP_BACKOFF);
        log.warn(
          { err: error, server: name, retryInMs: ms },
          'new database credentials rejected, keeping the previous ones',
        );
        await sleep(ms, undefined, { ref: false });
        continue;
      }
      const old = this.#pool;
      this.#pool = pool;
      this.#url = wanted;
      this.#breaker = newBreaker();
      log.info({ server: name }, 'database credentials reloaded');
      void drain(old);
    }
  }
}

/** Ends a pool when nobody waits for one of its connections; those in use end as they are given back. */
async function drain(pool: pg.Pool): Promise<void> {
  const deadline = performance.now() + DRAIN_MS;
  while (pool.waitingCount > 0 && performance.now() < deadline) {
    await sleep(10);
  }
  await pool.end();
}

function newBreaker(): CircuitBreakerPolicy {
  return circuitBreaker(
    // A pool that is exhausted says that we are busy, and refusing more would not make it better.
    handleWhen(
      (error) => (isDatabaseAway(error) && !isPoolExhausted(error)) || isAuthenticationFailure(error),
    ),
    { halfOpenAfter: BREAKER.halfOpenAfterMs, breaker: new ConsecutiveBreaker(BREAKER.failures) },
  );
}
