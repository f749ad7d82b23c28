/** Writes the counted uses of the schema at an interval. Never fails a request, and its memory is bounded. */
import { Counter, type Registry } from 'prom-client';
import type { Usage, UsageCounter } from '../../graphql/usage/usage-counter.js';
import type { Logger } from '../../observability/logging/logger.js';
import { type ServedSchema, UsageNotStored, type UsageTable } from './usage-table.js';

export interface UsageRecorderParts {
  counter: UsageCounter;
  table: UsageTable;
  served: ServedSchema;
  /** Uses that count although no request was counted, such as those of trusted documents. */
  permanent?: readonly Usage[];
  /** Milliseconds. */
  flushMs: number;
  /** Whether the database is available. */
  isReady(): boolean;
  registry: Registry;
  log: Logger;
}

/** Soon after the start, so that a check of the schema finds it. */
const FIRST_FLUSH_MS = 1_000;
/** Interval at which the time of permanent uses is updated. */
const PERMANENT_MS = 3_600_000;

export class UsageRecorder {
  readonly #dropped: Counter;
  #timer: NodeJS.Timeout;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;
  #permanentAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: UsageRecorderParts) {
    this.#dropped = new Counter({
      name: 'pcf_api_schema_usage_dropped_total',
      help: 'Uses of the schema that were not recorded, because too many were in memory.',
      registers: [parts.registry],
    });
    this.#timer = this.#schedule(Math.min(FIRST_FLUSH_MS, parts.flushMs));
  }

  /** Writes the counts a last time. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
    await this.flush();
  }

  /** Never rejects. Counts that are not stored remain in memory, within the limits of the counter. */
  async flush(): Promise<void> {
    const { counter, table, served, isReady, log } = this.parts;
    if (!isReady()) return;
    const { usages, dropped } = counter.take();
    if (dropped > 0) this.#dropped.inc(dropped);
    const { permanent = [] } = this.parts;
    const isDue = performance.now() - this.#permanentAt >= PERMANENT_MS;
    try {
      await table.add(usages);
    } catch (error) {
      counter.restore(error instanceof UsageNotStored ? error.rest : usages);
      log.warn({ err: error }, 'uses of the schema were not stored, will retry');
      return;
    }
    try {
      await table.serve(served);
      if (!isDue) return;
      await table.add(permanent);
      this.#permanentAt = performance.now();
    } catch (error) {
      log.warn({ err: error }, 'the served schema was not recorded, will retry');
    }
  }

  #schedule(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#running = this.flush().then(() => {
        if (!this.#isClosed) this.#timer = this.#schedule(spread(this.parts.flushMs));
      });
    }, ms).unref();
  }
}

/** Pods that started together must not all write at the same time. Never later: the check of a schema relies on it. */
function spread(ms: number): number {
  return ms * (0.8 + 0.2 * Math.random());
}
