/**
 * One PostgreSQL server: its pool, which is replaced when the credentials change, and its circuit
 * breaker.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
} from 'cockatiel';
import pg from 'pg';
import { backoffMs } from '../../backoff.js';
import type { Settings } from '../../config/schema.js';
import type { Secret } from '../../config/secret.js';
import type { Logger } from '../../observability/logging/logger.js';
import type { Access } from '../access.js';
import { isAuthenticationFailure, isDatabaseUnavailable } from './connection-errors.js';
import { observedClient } from './observed-client.js';
import type { StatementEvent } from './statement-observer.js';
import { TableLimits } from './table-limits.js';
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

/** Statistics of a pool. */
export interface PoolFigures {
  total: number;
  idle: number;
  /** Requests that wait for a free connection. */
  waiting: number;
}

/** A connection in use. */
export interface PoolConnection {
  client: pg.PoolClient;
  /** Call it once. With an error, the connection is closed. */
  release(error?: Error): void;
}

const BREAKER = { failures: 5, halfOpenAfterMs: 500 };
/** Connections outside of the pool. */
const FOR_MONITOR = 1;
const SWAP_BACKOFF = { initialMs: 500, maxMs: 30_000 };
/** Time for which connections with the previous credentials may remain in use. */
const DRAIN_MS = 60_000;
/** Delay before the pool is probed again while the server refuses another connection. */
const PROBE_RETRY_MS = 50;

export class DatabaseServer {
  #pool: pg.Pool;
  /** The URL in use: the newest one that the server has accepted. */
  #url: string;
  #breaker: CircuitBreakerPolicy = newBreaker();
  #swapping: Promise<void> | undefined;
  #closed = false;
  readonly #limits: TableLimits;
  /** Whether there was a failure since the last success. */
  #failing = false;

  constructor(private readonly parts: ServerParts) {
    this.#url = parts.url.value;
    this.#pool = this.#newPool(this.#url);
    const { max_connections: connections, connect_timeout: timeoutMs } = parts.settings;
    this.#limits = new TableLimits(connections - FOR_MONITOR, timeoutMs);
    parts.url.onChange(() => void this.#swap());
  }

  get name(): ServerName {
    return this.parts.name;
  }

  get figures(): PoolFigures {
    const { totalCount: total, idleCount: idle, waitingCount: waiting } = this.#pool;
    return { total, idle, waiting: waiting + this.#limits.waiting };
  }

  get circuitIsOpen(): boolean {
    return this.#breaker.state === CircuitState.Open;
  }

  /** Runs `work` unless the circuit breaker is open. Connection failures open it. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failing) {
      const result = await this.#breaker.execute(work);
      this.#failing = this.#breaker.state !== CircuitState.Closed;
      return result;
    }
    // Without recent failures, the breaker is bypassed, because it adds time to each statement.
    try {
      return await work();
    } catch (error) {
      this.#failing = true;
      return this.#breaker.execute(() => Promise.reject(error));
    }
  }

  /** Resets the circuit breaker when the server is known to be available again. */
  closeCircuit(): void {
    if (this.#breaker.state !== CircuitState.Closed) this.#breaker = newBreaker();
  }

  /** Acquires a connection of the pool for statements with this access. */
  async acquire(access: Access): Promise<PoolConnection> {
    const entered = this.#limits.enter(access);
    if (entered) await entered;
    try {
      const client = await this.#connect();
      return {
        client,
        release: (error) => {
          client.release(error);
          this.#limits.leave(access);
        },
      };
    } catch (error) {
      this.#limits.leave(access);
      throw error;
    }
  }

  /**
   * Whether a connection of the pool responds in time. If all are in use, the pool opens another one, which
   * the server may refuse while it serves the others: so the probe is repeated as long as there are others.
   */
  async isReachable(): Promise<boolean> {
    const timeoutMs = this.parts.settings.connect_timeout;
    const deadline = performance.now() + timeoutMs;
    const probe = async (): Promise<boolean> => {
      while (performance.now() < deadline) {
        if (await this.#responds()) return true;
        if (this.#pool.totalCount === 0) return false;
        await sleep(PROBE_RETRY_MS, undefined, { ref: false });
      }
      return false;
    };
    return Promise.race([probe(), sleep(timeoutMs, false, { ref: false })]);
  }

  async #responds(): Promise<boolean> {
    let client: pg.PoolClient | undefined;
    try {
      client = await this.#connect();
      await client.query('SELECT 1');
      client.release();
      return true;
    } catch (error) {
      client?.release(error as Error);
      return false;
    }
  }

  /** After rejected credentials, it reads them again and retries once. */
  async #connect(): Promise<pg.PoolClient> {
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

  /** A connection outside of the pool, to monitor the server. */
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

  /** Reads the credentials again, and waits a moment until they are in use. */
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
      max: settings.max_connections - FOR_MONITOR,
      application_name: 'pcf-api',
      connectionTimeoutMillis: settings.connect_timeout,
      types: fastTypes,
      keepAlive: true,
      idleTimeoutMillis: 60_000,
      statement_timeout: settings.statement_timeout,
      // The server cancels statements that exceed the timeout. This timeout is for an unresponsive
      // server.
      query_timeout: settings.statement_timeout + 5_000,
      idle_in_transaction_session_timeout: 60_000,
      Client: observedClient({ server: name, prepared: settings.prepared_statements, observe }),
    } as pg.PoolConfig);
    pool.on('error', (error) => log.warn({ err: error, server: name }, 'idle database connection lost'));
    return pool;
  }

  /**
   * Switches to the newest credentials as soon as the server accepts them. Until then, the previous
   * ones remain in use.
   */
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

/**
 * Closes a pool when no request waits for its connections. Connections in use are closed when they
 * are released.
 */
async function drain(pool: pg.Pool): Promise<void> {
  const deadline = performance.now() + DRAIN_MS;
  while (pool.waitingCount > 0 && performance.now() < deadline) {
    await sleep(10);
  }
  await pool.end();
}

function newBreaker(): CircuitBreakerPolicy {
  return circuitBreaker(
    // An exhausted pool means overload, not a failure of the server, so it does not open the circuit.
    handleWhen((error) => isDatabaseUnavailable(error) || isAuthenticationFailure(error)),
    { halfOpenAfter: BREAKER.halfOpenAfterMs, breaker: new ConsecutiveBreaker(BREAKER.failures) },
  );
}
