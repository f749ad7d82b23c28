/** Authenticates requests by their credentials. */
import { hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { LRUCache } from 'lru-cache';
import { isApiKey, parseApiKey, secretMatches } from './api-key.js';
import { type Identity, identity, OPEN_IDENTITY } from './identity.js';
import { NotAuthenticated } from './refusal.js';
import { highestRole, type Role, type Scope } from './roles.js';
import { USER_SUBJECT } from './token-signer.js';
import type { TokenVerifier, VerifiedToken } from './token-verifier.js';

export interface KnownUser {
  name: string;
  role: Role;
  disabled: boolean;
}

export interface KnownKey {
  uuid: string;
  name: string;
  secretHash: Buffer;
  role: Role;
  scopes: Scope[] | null;
  expiresAt: Date | null;
  revoked: boolean;
}

/** Users and API keys in the database. */
export interface IdentityStore {
  findUser(uuid: string): Promise<KnownUser | undefined>;
  findKey(prefix: string): Promise<KnownKey | undefined>;
  /** Must not block. */
  keyUsed(uuid: string): void;
}

export interface AuthenticatorParts {
  store: IdentityStore;
  verifier: TokenVerifier;
  /** Accepts requests without credentials, with the role ADMIN. Invalid credentials are still rejected. */
  open: boolean;
  /** Claim of the identity provider's tokens that contains the role. */
  roleClaim: string;
  /** TTL of the identity cache. A revoked key can work this long. */
  cacheMs: number;
}

const MAX_CACHED = 10_000;
const MAX_CREDENTIAL = 8_192;
const BEARER = /^Bearer +(\S+)$/i;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export class Authenticator {
  /** By the hash of the credential, so that the cache contains no credentials. Errors are not cached. */
  readonly #known = new LRUCache<string, Identity, string>({
    max: MAX_CACHED,
    ttl: 1,
    ignoreFetchAbort: true,
    fetchMethod: async (_hash, _stale, { options, context: credential }) => {
      const found = await this.#identify(credential);
      const untilExpiry = (found.expiresAt?.getTime() ?? Infinity) - Date.now();
      options.ttl = Math.max(1, Math.min(this.parts.cacheMs, untilExpiry)); // 0 would disable the TTL
      return found;
    },
  });

  constructor(private readonly parts: AuthenticatorParts) {}

  /**
   * Throws NotAuthenticated. Throws AuthenticationUnavailable or the error of the database when the
   * credentials cannot be verified.
   */
  async authenticate(headers: IncomingHttpHeaders): Promise<Identity> {
    const credential = credentialIn(headers);
    if (credential === undefined) {
      if (this.parts.open) return OPEN_IDENTITY;
      throw new NotAuthenticated('missing');
    }
    const found = await this.#known.forceFetch(hash('sha256', credential, 'base64'), {
      context: credential,
    });
    if (found.kind === 'API_KEY' && found.uuid) this.parts.store.keyUsed(found.uuid);
    return found;
  }

  async #identify(credential: string): Promise<Identity> {
    if (isApiKey(credential)) return this.#byKey(credential);
    const token = await this.parts.verifier.verify(credential);
    const { sub } = token.claims;
    return token.ours && sub.startsWith(USER_SUBJECT) ? this.#byUser(token) : this.#byClaims(token);
  }

  async #byKey(credential: string): Promise<Identity> {
    const parts = parseApiKey(credential);
    if (!parts) throw new NotAuthenticated('malformed');
    const key = await this.parts.store.findKey(parts.prefix);
    const isRight = secretMatches(parts.secret, key?.secretHash ?? Buffer.alloc(32));
    if (!key || !isRight || key.revoked || (key.expiresAt && key.expiresAt.getTime() <= Date.now())) {
      throw new NotAuthenticated('api key');
    }
    const { uuid, name, role, scopes, expiresAt } = key;
    return identity({
      ...{ kind: 'API_KEY', id: `key:${uuid}`, name, role, uuid },
      ...(scopes && { scopes }),
      ...(expiresAt && { expiresAt }),
    });
  }

  /**
   * The role comes from the database and not from the token, because it may have changed since the
   * token was issued.
   */
  async #byUser({ claims }: VerifiedToken): Promise<Identity> {
    const uuid = claims.sub.slice(USER_SUBJECT.length);
    const user = UUID.test(uuid) ? await this.parts.store.findUser(uuid) : undefined;
    if (!user || user.disabled) throw new NotAuthenticated('user');
    const { name, role } = user;
    return identity({ kind: 'USER', id: claims.sub, name, role, uuid, expiresAt: expiryOf(claims) });
  }

  #byClaims({ claims, ours }: VerifiedToken): Identity {
    const role = highestRole(claims[ours ? 'role' : this.parts.roleClaim]);
    if (!role) throw new NotAuthenticated('role');
    const { sub, iss = '' } = claims;
    const given = [claims.name, claims.email, sub].find((text) => typeof text === 'string') as string;
    const name = given.slice(0, 100);
    return identity({ kind: 'TOKEN', id: `token:${iss}:${sub}`, name, role, expiresAt: expiryOf(claims) });
  }
}

function expiryOf({ exp }: VerifiedToken['claims']): Date {
  return new Date(exp * 1_000);
}

/** The token or API key; undefined when there is none. */
function credentialIn({ authorization, 'x-api-key': apiKey }: IncomingHttpHeaders): string | undefined {
  if (authorization !== undefined && apiKey !== undefined) throw new NotAuthenticated('ambiguous');
  const given = authorization === undefined ? apiKey : (BEARER.exec(authorization)?.[1] ?? '');
  if (given === undefined) return undefined;
  if (typeof given !== 'string' || given === '' || given.length > MAX_CREDENTIAL) {
    throw new NotAuthenticated('malformed');
  }
  return given;
}
