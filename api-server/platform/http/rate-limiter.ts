/** Counts in Redis what somebody did in a window, for all processes together; while Redis is away each process counts for itself. */
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { RedisClient } from '../redis/redis.js';

export interface RateLimit {
  /** Distinguishes limits in Redis. */
  name: string;
  points: number;
  windowMs: number;
}

export class RateLimiter {
  readonly #limiter: RateLimiterMemory | RateLimiterRedis;

  constructor({ name, points, windowMs }: RateLimit, redis: RedisClient | undefined) {
    const options = { keyPrefix: `pcf:limit:${name}`, points, duration: Math.ceil(windowMs / 1_000) };
    const local = new RateLimiterMemory(options);
    this.#limiter = redis
      ? new RateLimiterRedis({
          ...options,
          storeClient: redis,
          rejectIfRedisNotReady: true,
          insuranceLimiter: local,
          inMemoryBlockOnConsumed: points + 1, // who is over the limit costs Redis nothing
        })
      : local;
  }

  /** Counts one. When that is one too many: the seconds until it is allowed again. */
  async take(key: string): Promise<number | undefined> {
    try {
      await this.#limiter.consume(key);
      return undefined;
    } catch (error) {
      return secondsOf(error);
    }
  }

  /** Takes back one that was counted. */
  async giveBack(key: string): Promise<void> {
    await this.#limiter.reward(key);
  }

  async forget(key: string): Promise<void> {
    await this.#limiter.delete(key);
  }
}

function secondsOf(refused: unknown): number {
  if (!(refused instanceof RateLimiterRes)) throw refused;
  return Math.max(1, Math.ceil(refused.msBeforeNext / 1_000));
}
