/** Public keys of an identity provider: a JSON Web Key Set, fetched on demand and cached. */
import {
  type CryptoKey,
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type FlattenedJWSInput,
  type JWSHeaderParameters,
} from 'jose';
import type { Logger } from '../observability/logging/logger.js';
import { AuthenticationUnavailable } from './refusal.js';

const TIMEOUT_MS = 5_000;
/** Maximum age of cached keys. A withdrawn key is rejected afterwards. */
const MAX_AGE_MS = 10 * 60_000;
/** Minimum interval of fetches, so that tokens with unknown key IDs do not cause a fetch each. */
const COOLDOWN_MS = 30_000;

export class ProviderKeys {
  readonly #remote: ReturnType<typeof createRemoteJWKSet>;

  constructor(
    url: string,
    private readonly log: Logger,
    { maxAgeMs = MAX_AGE_MS, cooldownMs = COOLDOWN_MS } = {},
  ) {
    this.#remote = createRemoteJWKSet(new URL(url), {
      timeoutDuration: TIMEOUT_MS,
      cacheMaxAge: maxAgeMs,
      cooldownDuration: cooldownMs,
    });
  }

  /** The key for the header of a token. Uses the cached keys while the provider is unavailable. */
  async find(header?: JWSHeaderParameters, token?: FlattenedJWSInput): Promise<CryptoKey> {
    try {
      return await this.#remote(header, token);
    } catch (error) {
      if (isAnswer(error)) throw error;
      this.log.warn({ err: error }, 'fetching the JWKS failed');
      const known = this.#remote.jwks();
      if (!known) throw new AuthenticationUnavailable("the identity provider's keys are unavailable");
      return createLocalJWKSet(known)(header, token);
    }
  }
}

function isAnswer(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys;
}
