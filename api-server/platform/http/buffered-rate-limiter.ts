/**
 * A limit that most are far from. Whoever has used less than half of it is counted here, and
 * what was counted is told to Redis a moment later, all together; nearer to the limit each is
 * counted in Redis before it is let in. So hardly any request waits for Redis, and what several
 * processes let in too much is what they take together within that moment, once a window.
 */
import { LRUCache } from 'lru-cache';
import type { RateLimiter } from './rate-limiter.js';

/** What is known of somebody in the window that runs. */
interface Count {
  /** By all processes, as far as this one was told, and by itself. */
  used: number;
  /** Of these, what Redis has not been told yet. */
  untold: number;
  /** When the window ends, as performance.now() counts. */
  until: number;
}

const TELL_AFTER_MS = 100;
const MAX_KNOWN = 10_000;
/** Of a few, each is one that somebody notices. */
const LEAST_BUFFERED = 100;

export class BufferedRateLimiter {
  /** Up to so many are let in without asking. */
  readonly #trusted: number;
  readonly #counts: LRUCache<string, Count>;
  /** Those of whom there may be something to tell: not all that are known are looked at each time. */
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

  /** As RateLimiter.take. */
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

  /** Nobody waits for it; what can't be told now is not counted. */
  #later(key: string, points: number): void {
    this.#count(key, points).catch(() => undefined);
  }

  async #count(key: string, points: number): Promise<number | undefined> {
    const { used, msLeft, seconds } = await this.limiter.count(key, points);
    const known = this.#counts.peek(key);
    const untold = known?.untold ?? 0; // taken since it was asked
    this.#counts.set(key, { used: used + untold, untold, until: performance.now() + msLeft });
    return seconds;
  }
}

/** Whoever takes it tells it. */
function takeUntold(count: Count): number {
  const { untold } = count;
  count.untold = 0;
  return untold;
}
