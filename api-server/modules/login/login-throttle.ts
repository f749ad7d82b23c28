import { RateLimiter } from '../../platform/http/rate-limiter.js';
import type { RedisClient } from '../../platform/redis/redis.js';

/** An account that is tried from many places, and a place that tries many accounts: so many times more than one from one. */
const ACCOUNT_FACTOR = 10;
const ADDRESS_FACTOR = 20;

export interface ThrottleSettings {
  attempts: number;
  windowMs: number;
}

/**
 * Slows down who guesses passwords: by account and address, by account, and by address.
 * An attempt counts when it begins, so that many at once are no way around. One that has to
 * wait counts no further: else somebody could lock another one out from a single address,
 * and from everywhere.
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

  /** The seconds to wait, if any. Whoever has to wait is told nothing of the password. */
  async begin(account: string, address: string): Promise<number | undefined> {
    return (
      (await this.#pair.take(`${account} ${address}`)) ??
      (await this.#address.take(address)) ??
      this.#account.take(account)
    );
  }

  /** Counts what an address shows that was never given out; the seconds to wait, if any. */
  async stranger(address: string): Promise<number | undefined> {
    return this.#address.take(address);
  }

  /** Who knew the password has not guessed. */
  async succeeded(account: string, address: string): Promise<void> {
    await Promise.all([
      this.#pair.forget(`${account} ${address}`),
      this.#account.giveBack(account),
      this.#address.giveBack(address),
    ]);
  }
}
