/** Monitors the replication lag, and excludes a replica while it is unavailable or lagging. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Backoff, backoffMs } from '../../backoff.js';
import type { Logger } from '../../observability/logging/logger.js';
import { shortReason } from '../pool/connection-errors.js';
import { parseLsn } from '../pool/session.js';
import type { WatchConnection } from '../pool/watch-connection.js';

/** Only a `ready` replica serves reads. `not a replica`: the server was promoted and has another timeline. */
export type ReplicaState = 'connecting' | 'ready' | 'lagging' | 'unavailable' | 'not a replica' | 'closed';

export interface ReplicaMonitorParts {
  open(): Promise<WatchConnection>;
  /** WAL position of the primary; undefined while it is unavailable. */
  primaryLsn(): Promise<bigint | undefined>;
  /** The replica became ready. */
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
/** Upper bound of the stored marks. A replica with more lag has been excluded long before. */
const MAX_MARKS = 10_000;

export class ReplicaMonitor {
  #state: ReplicaState = 'connecting';
  #reason: string | undefined;
  #replayed = 0n;
  /** Positions of the primary with their times, oldest first, as far as the replica has not reached them. */
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

  /** Replication lag in milliseconds: age of the position that the replica has reached. */
  get lagMs(): number {
    const [oldest] = this.#marks;
    return oldest ? performance.now() - oldest.at : 0;
  }

  /** Whether the replica is ready and has replayed the WAL up to `lsn`. */
  canRead(lsn: bigint | undefined): boolean {
    return this.#state === 'ready' && (lsn === undefined || lsn <= this.#replayed);
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Probes immediately, because a read failed. */
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
    // The primary is read first, so that the replica's position cannot be underestimated.
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

  /**
   * Hysteresis: excluded above the maximum lag, included again below half of it. A new replica must
   * catch up first.
   */
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

  /** Waits until the time is over or the monitor is woken. */
  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#hurry.signal }).catch(() => undefined);
    if (!this.#ending.signal.aborted) this.#hurry = new AbortController();
  }
}
