import { RateLimiter } from '../../http/rate-limiter.js';
import type { RedisClient } from '../../redis/redis.js';

/** Limits per account and per address, as multiples of the limit per account and address. */
const ACCOUNT_FACTOR = 10;
const ADDRESS_FACTOR = 20;

export interface ThrottleSettings {
  attempts: number;
  windowMs: number;
}

/**
 * Limits login attempts per account and address, per address, and per account. An attempt is counted
 * when it starts, so that concurrent attempts do not bypass the limit. A throttled attempt is not
 * counted by the following limiters: otherwise one address could lock an account for all addresses.
 */
export class LoginThrottle {
  readonly #pair: RateLimiter;
  readonly #account: RateLimiter;
  readonly #address: RateLimiter;

  constructor({ attempts, windowMs }: ThrottleSettings, redis: RedisClient | undefined) {
    const limiter = (name: string, points: number) => new RateLimiter({ name, points, windowMs }, redis);
    this.#pair = limiter('login', attempts);
    this.#account = limiter('login-account', attempts * ACCOUNT_FACTOR);
    this.#address = limiter('login-address', attempts * ADDRESS_FACTOR);
  }

  /** Returns the seconds to wait; undefined when the attempt is allowed. A throttled attempt must not check the password. */
  async startAttempt(account: string, address: string): Promise<number | undefined> {
    return (
      (await this.#pair.take(`${account} ${address}`)) ??
      (await this.#address.take(address)) ??
      this.#account.take(account)
    );
  }

  /** Counts an unknown token of an address. Returns the seconds to wait; undefined when it is allowed. */
  async countUnknownToken(address: string): Promise<number | undefined> {
    return this.#address.take(address);
  }

  /** Successful attempts do not count. */
  async recordSuccess(account: string, address: string): Promise<void> {
    await Promise.all([
      this.#pair.forget(`${account} ${address}`),
      this.#account.giveBack(account),
      this.#address.giveBack(address),
    ]);
  }
}
