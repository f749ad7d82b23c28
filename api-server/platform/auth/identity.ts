/** Who sends a request. */
import { Role, type Scope } from './roles.js';

export type IdentityKind = 'USER' | 'API_KEY' | 'TOKEN' | 'OPEN';

export interface Identity {
  readonly kind: IdentityKind;
  /** The same for all requests of whoever it is: `user:<uuid>`, `key:<uuid>`, `token:<issuer>:<subject>` or `open`. */
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** What of the role may be used; undefined is all of it. */
  readonly scopes?: readonly Scope[];
  /** The row of the user or the API key. */
  readonly uuid?: string;
  /** When what was shown ends to be good. */
  readonly expiresAt?: Date;
  /**
   * Two identities with the same scope see the same, so one's answer may be given to the
   * other: what a cache of answers is to be keyed by. Not for fields whose rule says
   * `personal`, which differ from one identity to the next.
   */
  readonly cacheScope: string;
}

export function identity(given: Omit<Identity, 'cacheScope'>): Identity {
  const scopes = given.scopes ? [...given.scopes].sort().join(',') : '*';
  return Object.freeze({ ...given, cacheScope: `${given.role}:${scopes}` });
}

/** Who sends a request that shows nothing, where that is allowed. */
export const OPEN_IDENTITY = identity({ kind: 'OPEN', id: 'open', name: 'anyone', role: Role.ADMIN });
