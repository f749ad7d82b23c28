/**
 * Rate limiter that counts locally below half of the limit and sends the counts to Redis in
 * batches. Above half of the limit, each request is counted in Redis before it is admitted. Few
 * requests wait for Redis, and several processes together can exceed the limit only by what they
 * admit between two batches.
 */
import { LRUCache } from 'lru-cache';
import type { RateLimiter } from './rate-limiter.js';

/** Count of one key in the current window. */
interface Count {
  /** Points of all processes as of the last response of Redis, plus local points. */
  used: number;
  /** Local points that are not sent to Redis yet. */
  untold: number;
  /** End of the window, in the time of performance.now(). */
  until: number;
}

const TELL_AFTER_MS = 100;
const MAX_KNOWN = 10_000;
/** Below this limit, every request is counted in Redis. */
const LEAST_BUFFERED = 100;

export class BufferedRateLimiter {
  /** Number of points that are admitted without Redis. */
  readonly #trusted: number;
  readonly #counts: LRUCache<string, Count>;
  /** Keys with unsent points, so that a batch does not scan all keys. */
  readonly #toTell = new Set<string>();
  #telling: NodeJS.Timeout | undefined;

  constructor(private readonly limiter: RateLimiter) {
    this.#trusted = limiter.points < LEAST_BUFFERED ? 0 : Math.floor(limiter.points / 2);
    this.#counts = new LRUCache({
      max: MAX_KNOWN,
      dispose: (count, key, reason) => {
        if (reason === 'evict' && count.untold > 0) this.#later(key, count.untold);
      },
    });
  }

  /** Like RateLimiter.take. */
  take(key: string): Promise<number | undefined> | undefined {
    const count = this.#counts.get(key);
    const isRunning = count && performance.now() < count.until;
    if (isRunning && count.used < this.#trusted) {
      count.used += 1;
      count.untold += 1;
      this.#toTell.add(key);
      this.#telling ??= setTimeout(() => this.#tell(), TELL_AFTER_MS).unref();
      return undefined;
    }
    return this.#count(key, 1 + (isRunning ? takeUntold(count) : 0));
  }

  #tell(): void {
    this.#telling = undefined;
    const now = performance.now();
    for (const key of this.#toTell) {
      const count = this.#counts.peek(key);
      const untold = count ? takeUntold(count) : 0;
      if (count && untold > 0 && now < count.until) this.#later(key, untold);
    }
    this.#toTell.clear();
  }

  /** Runs in the background. Points that cannot be sent are lost. */
  #later(key: string, points: number): void {
    this.#count(key, points).catch(() => undefined);
  }

  async #count(key: string, points: number): Promise<number | undefined> {
    const { used, msLeft, seconds } = await this.limiter.count(key, points);
    const known = this.#counts.peek(key);
    const untold = known?.untold ?? 0; // counted while the request to Redis was pending
    this.#counts.set(key, { used: used + untold, untold, until: performance.now() + msLeft });
    return seconds;
  }
}

/** Resets the unsent points. The caller must send them. */
function takeUntold(count: Count): number {
  const { untold } = count;
  count.untold = 0;
  return untold;
}
