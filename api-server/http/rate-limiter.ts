/**
 * Counts requests per window in Redis, for all processes. While Redis is unavailable, each process
 * counts for itself.
 */
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { RedisClient } from '../redis/redis.js';

export interface RateLimit {
  /** Key prefix in Redis. */
  name: string;
  points: number;
  windowMs: number;
}

export interface Counted {
  /** Points in the current window, including these. */
  used: number;
  msLeft: number;
  /** Seconds to wait when the limit is exceeded. */
  seconds?: number;
}

export class RateLimiter {
  readonly points: number;
  readonly #limiter: RateLimiterMemory | RateLimiterRedis;

  constructor({ name, points, windowMs }: RateLimit, redis: RedisClient | undefined) {
    this.points = points;
    const options = { keyPrefix: `pcf:limit:${name}`, points, duration: Math.ceil(windowMs / 1_000) };
    const local = new RateLimiterMemory(options);
    this.#limiter = redis
      ? new RateLimiterRedis({
          ...options,
          storeClient: redis,
          rejectIfRedisNotReady: true,
          insuranceLimiter: local,
          inMemoryBlockOnConsumed: points + 1, // keys over the limit are rejected without Redis
        })
      : local;
  }

  /** Counts one request. Returns the seconds to wait when the limit is exceeded. */
  async take(key: string): Promise<number | undefined> {
    return (await this.count(key, 1)).seconds;
  }

  async count(key: string, points: number): Promise<Counted> {
    try {
      const { consumedPoints: used, msBeforeNext: msLeft } = await this.#limiter.consume(key, points);
      return { used, msLeft };
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      const { consumedPoints, msBeforeNext: msLeft } = error;
      const used = Math.max(consumedPoints, this.points); // 0 when this process rejects the key without Redis
      return { used, msLeft, seconds: Math.max(1, Math.ceil(msLeft / 1_000)) };
    }
  }

  /** Reverts one counted request. */
  async giveBack(key: string): Promise<void> {
    await this.#limiter.reward(key);
  }

  async forget(key: string): Promise<void> {
    await this.#limiter.delete(key);
  }
}
