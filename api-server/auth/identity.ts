/** The identity of a client. */
import { Role, type Scope } from './roles.js';

export type IdentityKind = 'USER' | 'API_KEY' | 'TOKEN' | 'OPEN';

export interface Identity {
  readonly kind: IdentityKind;
  /** Stable ID of the identity: `user:<uuid>`, `key:<uuid>`, `token:<issuer>:<subject>` or `open`. */
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** Scopes that restrict the role; undefined when there is no restriction. */
  readonly scopes?: readonly Scope[];
  /** Primary key of the user or the API key. */
  readonly uuid?: string;
  /** Time at which the credential expires. */
  readonly expiresAt?: Date;
  /**
   * Identities with the same scope can read the same data, so they can share cached responses. It
   * does not apply to fields whose rule is `personal`; they differ per identity.
   */
  readonly cacheScope: string;
}

export function identity(given: Omit<Identity, 'cacheScope'>): Identity {
  const scopes = given.scopes ? [...given.scopes].sort().join(',') : '*';
  return Object.freeze({ ...given, cacheScope: `${given.role}:${scopes}` });
}

/** Identity of requests without credentials, where they are allowed. */
export const OPEN_IDENTITY = identity({ kind: 'OPEN', id: 'open', name: 'anyone', role: Role.ADMIN });
