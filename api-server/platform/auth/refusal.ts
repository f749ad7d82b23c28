/** Why somebody is not let in. Fit to be told: never quotes what was sent. */
export const REFUSALS = {
  missing: 'send a token or an API key: `authorization: Bearer ...`, or `x-api-key: ...`',
  malformed: 'the credentials are neither a token nor an API key',
  ambiguous: 'send one credential, not several',
  algorithm: 'the token is signed in a way that is not accepted here',
  'unknown key': 'the token is signed with a key that is not known here',
  signature: "the token's signature is wrong",
  expired: 'the token has expired; get a new one',
  'not yet valid': 'the token is not valid yet; is a clock wrong?',
  claims: 'the token is not for this API, or lacks what it must say',
  role: 'the token names no role of this API',
  user: 'the user is disabled or is not there any more',
  'api key': 'the API key is wrong, revoked or expired',
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

/** It can't be told who sends a request: what it takes is away. Worth another try. */
export class AuthenticationAway extends Error {
  override readonly name = 'AuthenticationAway';
}
