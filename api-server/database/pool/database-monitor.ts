/** Monitors the availability of the database, and reconnects without a limit of attempts. */
import { type Backoff, backoffMs } from '../../backoff.js';
import type { Logger } from '../../observability/logging/logger.js';
import { shortReason } from './connection-errors.js';
import type { WatchConnection } from './watch-connection.js';

/**
 * `behind`: the database is reachable, but lacks a migration that this image requires. Requests are
 * served only in state `ready`.
 */
export type DatabaseState = 'connecting' | 'ready' | 'unavailable' | 'behind' | 'closed';

export interface DatabaseStatus {
  state: DatabaseState;
  since: Date;
  /** An error code such as ECONNREFUSED, or the names of the missing migrations. */
  reason?: string;
  /** Time of the next attempt. */
  nextTry?: Date;
}

export interface MonitorParts {
  open(): Promise<WatchConnection>;
  /** Prepares the pool. Called after each reconnect, so it must be idempotent. */
  prepare(): Promise<void>;
  /** The migrations that this image requires and the database lacks. */
  schemaMisfit(connection: WatchConnection): Promise<string | undefined>;
  /** Whether a connection of the pool responds. */
  isReachable(): Promise<boolean>;
  /** The database became ready. */
  onReady?(): void;
  backoff: Backoff;
  probeIntervalMs: number;
  log: Logger;
}

/** Delay before the monitor replaces its connection while the database is ready. */
const RECONNECT_MS = 100;

export class DatabaseMonitor {
  #status: DatabaseStatus = { state: 'connecting', since: new Date() };
  #closed = false;
  #connection: WatchConnection | undefined;
  #wake: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  readonly #attempted = Promise.withResolvers<void>();

  constructor(private readonly parts: MonitorParts) {}

  get status(): DatabaseStatus {
    return this.#status;
  }

  /**
   * Runs a query on the monitor's own connection, which does not wait for the pool. Throws while
   * there is none.
   */
  async ask(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
    if (!this.#connection) throw new Error('Connection terminated');
    return this.#connection.query(sql, values);
  }

  get isReady(): boolean {
    return this.#status.state === 'ready';
  }

  /** Resolves after the first attempt to connect, whether it succeeded or not. */
  get attempted(): Promise<void> {
    return this.#attempted.promise;
  }

  /** Value of Retry-After: whole seconds until the next attempt, at least 1. */
  get retryAfterSeconds(): number {
    const { nextTry } = this.#status;
    return nextTry ? Math.max(1, Math.ceil((nextTry.getTime() - Date.now()) / 1_000)) : 1;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Probes immediately, because a request found the database unavailable. */
  checkSoon(): void {
    if (this.isReady) this.#wake();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await this.#running;
    this.#enter('closed');
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#closed) {
      let wasConnected = false;
      try {
        await this.#useOneConnection(() => {
          wasConnected = true;
          failures = 0;
        });
      } catch (error) {
        if (this.#closed) return;
        if (await this.#isStillReady(wasConnected)) {
          const retryInMs = backoffMs(failures, { ...this.parts.backoff, initialMs: RECONNECT_MS });
          failures += 1;
          this.parts.log.warn(
            { err: error, retryInMs },
            'database monitor lost its connection, still serving',
          );
          await this.#pause(retryInMs);
          continue;
        }
        const delay = backoffMs(failures, this.parts.backoff);
        failures += 1;
        this.#enter('unavailable', shortReason(error), new Date(Date.now() + delay));
        this.parts.log.warn({ err: error, failures, retryInMs: delay }, 'database unavailable');
        await this.#pause(delay);
      }
    }
  }

  /**
   * The loss of the monitor's connection does not mean that the database is unavailable: requests
   * are served until a new connection cannot be opened and the pool does not respond either.
   */
  async #isStillReady(wasConnected: boolean): Promise<boolean> {
    return this.isReady && (wasConnected || (await this.parts.isReachable()));
  }

  /** Returns when the monitor is closed. Throws when the connection is lost. */
  async #useOneConnection(connected: () => void): Promise<void> {
    const connection = await this.parts.open();
    try {
      this.#connection = connection;
      await this.parts.prepare();
      connected();
      let loss: unknown;
      void connection.lost.then((error) => {
        loss = error;
        this.#wake();
      });
      for (let isNew = true; !this.#closed; isNew = false) {
        await this.#check(connection, isNew);
        if (loss === undefined) await this.#pause(this.parts.probeIntervalMs);
        if (loss !== undefined) throw loss;
      }
    } finally {
      this.#connection = undefined;
      await connection.close();
    }
  }

  /** A new connection may be to another server, whose schema is checked. */
  async #check(connection: WatchConnection, isNew: boolean): Promise<void> {
    if (this.isReady && !isNew) {
      await connection.query('SELECT 1');
      return;
    }
    const reason = await this.parts.schemaMisfit(connection);
    if (reason === undefined) {
      if (this.isReady) return;
      this.parts.log.info({ after: this.#status.state }, 'database ready');
      this.parts.onReady?.();
      this.#enter('ready');
      return;
    }
    if (this.#status.state !== 'behind') {
      this.parts.log.warn({ reason }, 'database schema is incompatible with this version');
    }
    const next = new Date(Date.now() + this.parts.probeIntervalMs);
    this.#enter('behind', reason, next);
  }

  #enter(state: DatabaseState, reason?: string, nextTry?: Date): void {
    const since = state === this.#status.state ? this.#status.since : new Date();
    this.#status = { state, since, ...(reason && { reason }), ...(nextTry && { nextTry }) };
    this.#attempted.resolve();
  }

  /** Waits until the time is over or the monitor is woken. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
