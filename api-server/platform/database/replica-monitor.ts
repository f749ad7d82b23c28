/** Knows how far a replica is, takes it out when it ails and back when it is well. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Backoff, backoffMs } from '../backoff.js';
import type { Logger } from '../logging/logger.js';
import { shortReason } from './connection-errors.js';
import { parseLsn } from './session.js';
import type { WatchConnection } from './watch-connection.js';

/** Only `ready` gets reads. `not a replica`: it was promoted, and has a history of its own. */
export type ReplicaState = 'connecting' | 'ready' | 'lagging' | 'unavailable' | 'not a replica' | 'closed';

export interface ReplicaMonitorParts {
  open(): Promise<WatchConnection>;
  /** The primary's position in its log; undefined while it can't be asked. */
  primaryLsn(): Promise<bigint | undefined>;
  /** It became usable. */
  onReady(): void;
  maxLagMs: number;
  intervalMs: number;
  backoff: Backoff;
  log: Logger;
}

interface Mark {
  lsn: bigint;
  at: number;
}

const PROBE = 'SELECT pg_is_in_recovery() AS standby, pg_last_wal_replay_lsn()::text AS lsn';
/** A replica can't be behind by more marks than fit here without being out for long. */
const MAX_MARKS = 10_000;

export class ReplicaMonitor {
  #state: ReplicaState = 'connecting';
  #reason: string | undefined;
  #replayed = 0n;
  /** Where the primary was and when, oldest first; only what the replica has not reached. */
  #marks: Mark[] = [];
  #running: Promise<void> = Promise.resolve();
  readonly #ending = new AbortController();
  #hurry = new AbortController();

  constructor(private readonly parts: ReplicaMonitorParts) {}

  get state(): ReplicaState {
    return this.#state;
  }

  get reason(): string | undefined {
    return this.#reason;
  }

  /** How long ago the primary was where the replica is now, in ms. */
  get lagMs(): number {
    const [oldest] = this.#marks;
    return oldest ? performance.now() - oldest.at : 0;
  }

  /** Whether it is well and has all that was written up to `lsn`. */
  canRead(lsn: bigint | undefined): boolean {
    return this.#state === 'ready' && (lsn === undefined || lsn <= this.#replayed);
  }

  start(): void {
    this.#running = this.#run();
  }

  /** A read has failed: look at once. */
  checkSoon(): void {
    this.#hurry.abort();
  }

  async close(): Promise<void> {
    this.#ending.abort();
    this.#hurry.abort();
    await this.#running;
    this.#enter('closed');
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#ending.signal.aborted; failures += 1) {
      try {
        await this.#watch(() => {
          failures = 0;
        });
      } catch (error) {
        if (this.#ending.signal.aborted) return;
        this.#enter('unavailable', shortReason(error));
        await this.#pause(backoffMs(failures, this.parts.backoff));
      }
    }
  }

  async #watch(connected: () => void): Promise<void> {
    const connection = await this.parts.open();
    let loss: unknown;
    void connection.lost.then((error) => {
      loss = error;
      this.checkSoon();
    });
    try {
      while (!this.#ending.signal.aborted) {
        if (loss !== undefined) throw loss;
        await this.#probe(connection);
        connected();
        await this.#pause(this.parts.intervalMs);
      }
    } finally {
      await connection.close();
    }
  }

  async #probe(connection: WatchConnection): Promise<void> {
    // The primary first: what the replica says later can only be further.
    const at = performance.now();
    const lsn = await this.parts.primaryLsn();
    if (lsn !== undefined) this.#marks.push({ lsn, at });
    if (this.#marks.length > MAX_MARKS) this.#marks.splice(1, 1);
    const [row] = await connection.query(PROBE);
    if (row?.standby !== true) {
      this.#enter('not a replica');
      return;
    }
    this.#replayed = parseLsn(String(row.lsn)) ?? 0n;
    this.#marks = this.#marks.filter((mark) => mark.lsn > this.#replayed);
    this.#judge(lsn !== undefined);
  }

  /** Out above the bound, back below half of it, so that it does not flap. A new one must first have caught up. */
  #judge(primaryAnswered: boolean): void {
    const { maxLagMs, intervalMs } = this.parts;
    const lag = this.lagMs;
    if (this.#state === 'ready') {
      if (lag > maxLagMs) this.#enter('lagging', `${Math.round(lag)} ms behind`);
      return;
    }
    const bound = Math.max(maxLagMs / 2, 2 * intervalMs);
    if (!primaryAnswered) return;
    if (lag <= bound) this.#enter('ready');
    else this.#enter('lagging', `${Math.round(lag)} ms behind`);
  }

  #enter(state: ReplicaState, reason?: string): void {
    const before = this.#state;
    this.#state = state;
    this.#reason = reason;
    if (state === before) return;
    if (state === 'ready') this.parts.onReady();
    const level = state === 'ready' || state === 'closed' ? 'info' : 'warn';
    this.parts.log[level]({ state, reason, before }, 'replica state changed');
  }

  /** Waits, unless told to hurry. */
  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#hurry.signal }).catch(() => undefined);
    if (!this.#ending.signal.aborted) this.#hurry = new AbortController();
  }
}
