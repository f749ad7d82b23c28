/** Knows whether the database can be used, and brings it back when it could not. Never gives up. */
import { type Backoff, backoffMs } from '../backoff.js';
import type { Logger } from '../logging/logger.js';
import { shortReason } from './connection-errors.js';
import type { WatchConnection } from './watch-connection.js';

/**
 * `behind`: the database answers, but lacks a migration this image needs.
 * Only `ready` may serve requests.
 */
export type DatabaseState = 'connecting' | 'ready' | 'unavailable' | 'behind' | 'closed';

export interface DatabaseStatus {
  state: DatabaseState;
  since: Date;
  /** A code such as ECONNREFUSED, or the names of the missing migrations. */
  reason?: string;
  /** When it is tried again. */
  nextTry?: Date;
}

export interface MonitorParts {
  open(): Promise<WatchConnection>;
  /** Makes the pool usable; called after each new connection, so it must be idempotent. */
  prepare(): Promise<void>;
  /** The migrations the database lacks for this image to run. */
  schemaMisfit(connection: WatchConnection): Promise<string | undefined>;
  /** It became usable. */
  onReady?(): void;
  backoff: Backoff;
  probeIntervalMs: number;
  log: Logger;
}

export class DatabaseMonitor {
  #status: DatabaseStatus = { state: 'connecting', since: new Date() };
  #closed = false;
  #connection: WatchConnection | undefined;
  #wake: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(private readonly parts: MonitorParts) {}

  get status(): DatabaseStatus {
    return this.#status;
  }

  /** Asks on the monitor's own connection, which waits for no pool. Throws while there is none. */
  async ask(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
    if (!this.#connection) throw new Error('Connection terminated');
    return this.#connection.query(sql, values);
  }

  get isReady(): boolean {
    return this.#status.state === 'ready';
  }

  /** Whole seconds after which a client may try again; 1 at least. */
  get retryAfterSeconds(): number {
    const { nextTry } = this.#status;
    return nextTry ? Math.max(1, Math.ceil((nextTry.getTime() - Date.now()) / 1_000)) : 1;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Asks the database now instead of at the next probe: a request has found it away. */
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
      try {
        await this.#useOneConnection(() => {
          failures = 0;
        });
      } catch (error) {
        if (this.#closed) return;
        const delay = backoffMs(failures, this.parts.backoff);
        failures += 1;
        this.#enter('unavailable', shortReason(error), new Date(Date.now() + delay));
        this.parts.log.warn({ err: error, failures, retryInMs: delay }, 'database unavailable');
        await this.#pause(delay);
      }
    }
  }

  /** Returns when the monitor is closed; throws when the connection is lost. */
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
      while (!this.#closed) {
        await this.#check(connection);
        if (loss === undefined) await this.#pause(this.parts.probeIntervalMs);
        if (loss !== undefined) throw loss;
      }
    } finally {
      this.#connection = undefined;
      await connection.close();
    }
  }

  async #check(connection: WatchConnection): Promise<void> {
    if (this.isReady) {
      await connection.query('SELECT 1');
      return;
    }
    const reason = await this.parts.schemaMisfit(connection);
    if (reason === undefined) {
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
  }

  /** Waits, unless woken first. */
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
