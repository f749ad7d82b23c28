/**
 * Verifies tokens (JWT). The algorithm selects the kind of key: HS256 tokens are verified only with
 * shared secrets, RS256 and ES256 tokens only with public keys of the identity provider. All other
 * algorithms, including `none`, are rejected before a key is selected.
 */
import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { ProviderKeys } from './provider-keys.js';
import { NotAuthenticated } from './refusal.js';
import type { SharedSecrets } from './shared-secrets.js';

export interface VerifierParts {
  issuer: string;
  audience: string;
  clockSkewMs: number;
  secrets?: SharedSecrets;
  provider?: { keys: ProviderKeys; issuer: string; audience: string };
}

export interface VerifiedToken {
  /** Whether a shared secret signed the token, and not an identity provider. */
  ours: boolean;
  claims: JWTPayload & { sub: string; exp: number };
}

const MAX_SUBJECT = 200;

export class TokenVerifier {
  constructor(private readonly parts: VerifierParts) {}

  /** Throws NotAuthenticated, or AuthenticationUnavailable when the provider's keys are unavailable. */
  async verify(token: string): Promise<VerifiedToken> {
    const { alg, kid } = headerOf(token);
    const { secrets, provider } = this.parts;
    if (alg === 'HS256' && secrets) return { ours: true, claims: await this.#shared(token, secrets, kid) };
    if ((alg === 'RS256' || alg === 'ES256') && provider) {
      const { issuer, audience, keys } = provider;
      const options = this.#options(alg, issuer, audience);
      const verified = jwtVerify(token, (header, input) => keys.find(header, input), options);
      return { ours: false, claims: this.#checked((await verified.catch(refuse)).payload) };
    }
    throw new NotAuthenticated('algorithm');
  }

  async #shared(token: string, secrets: SharedSecrets, kid: string | undefined) {
    const options = this.#options('HS256', this.parts.issuer, this.parts.audience);
    const candidates = secrets.candidates(kid);
    if (candidates.length === 0) throw new NotAuthenticated('unknown key');
    for (const [index, { key }] of candidates.entries()) {
      try {
        return this.#checked((await jwtVerify(token, key, options)).payload);
      } catch (error) {
        const isLast = index === candidates.length - 1;
        if (isLast || !(error instanceof errors.JWSSignatureVerificationFailed)) return refuse(error);
      }
    }
    throw new NotAuthenticated('signature');
  }

  #options(algorithm: string, issuer: string, audience: string): JWTVerifyOptions {
    return {
      algorithms: [algorithm],
      issuer,
      audience,
      clockTolerance: this.parts.clockSkewMs / 1_000,
      requiredClaims: ['sub', 'exp', 'iat'],
    };
  }

  /** Checks that the library does not make: an issue time in the future, and missing or invalid subjects. */
  #checked(claims: JWTPayload): VerifiedToken['claims'] {
    const { sub, exp, iat } = claims;
    if ((iat ?? 0) * 1_000 > Date.now() + this.parts.clockSkewMs) throw new NotAuthenticated('not yet valid');
    if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUBJECT || typeof exp !== 'number') {
      throw new NotAuthenticated('claims');
    }
    return { ...claims, sub, exp };
  }
}

function headerOf(token: string): { alg?: string; kid?: string } {
  try {
    return decodeProtectedHeader(token);
  } catch {
    throw new NotAuthenticated('malformed');
  }
}

function refuse(error: unknown): never {
  if (error instanceof errors.JWTExpired) throw new NotAuthenticated('expired');
  if (error instanceof errors.JWTClaimValidationFailed) {
    throw new NotAuthenticated(error.claim === 'nbf' ? 'not yet valid' : 'claims');
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) throw new NotAuthenticated('signature');
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
    throw new NotAuthenticated('unknown key');
  }
  if (error instanceof errors.JOSEError) throw new NotAuthenticated('malformed', { cause: error });
  throw error;
}
