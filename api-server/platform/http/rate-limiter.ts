/** Counts in Redis what somebody did in a window, for all processes together; while Redis is away each process counts for itself. */
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { RedisClient } from '../redis/redis.js';

export interface RateLimit {
  /** Distinguishes limits in Redis. */
  name: string;
  points: number;
  windowMs: number;
}

export interface Counted {
  /** Within the window so far, these included. */
  used: number;
  msLeft: number;
  /** When that is too many: the seconds until it is allowed again. */
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
          inMemoryBlockOnConsumed: points + 1, // who is over the limit costs Redis nothing
        })
      : local;
  }

  /** Counts one. When that is one too many: the seconds until it is allowed again. */
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
      const used = Math.max(consumedPoints, this.points); // 0 of whom this process refuses without asking
      return { used, msLeft, seconds: Math.max(1, Math.ceil(msLeft / 1_000)) };
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
