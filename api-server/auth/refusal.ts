/** Reasons for rejected credentials. Clients receive these messages, so they never contain the credentials. */
export const REFUSALS = {
  missing: 'send a token or an API key: `authorization: Bearer ...`, or `x-api-key: ...`',
  malformed: 'the credentials are neither a token nor an API key',
  ambiguous: 'send one credential, not several',
  algorithm: 'the algorithm of the token is not accepted',
  'unknown key': 'the signing key of the token is unknown',
  signature: 'the signature of the token is invalid',
  expired: 'the token has expired; get a new one',
  'not yet valid': 'the token is not valid yet; check the clocks',
  claims: 'the token lacks a required claim, or has another issuer or audience',
  role: 'the token contains no role of this API',
  user: 'the user is disabled or deleted',
  'api key': 'the API key is invalid, revoked or expired',
} as const;
export type Refusal = keyof typeof REFUSALS;

export class NotAuthenticated extends Error {
  override readonly name = 'NotAuthenticated';

  constructor(
    readonly refusal: Refusal,
    options?: ErrorOptions,
  ) {
    super(REFUSALS[refusal], options);
  }
}

/** Credentials cannot be verified because a dependency is unavailable. A retry can succeed. */
export class AuthenticationUnavailable extends Error {
  override readonly name = 'AuthenticationUnavailable';
}
