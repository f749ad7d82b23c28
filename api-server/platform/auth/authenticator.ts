/** Finds out who sends a request, from what it shows. */
import { hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isApiKey, parseApiKey, secretMatches } from './api-key.js';
import { type Identity, identity, OPEN_IDENTITY } from './identity.js';
import { NotAuthenticated } from './refusal.js';
import { highestRole, type Role, type Scope } from './roles.js';
import { USER_SUBJECT } from './token-signer.js';
import type { TokenVerifier, VerifiedToken } from './token-verifier.js';
import { TtlCache } from './ttl-cache.js';

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

/** Users and keys, as the database has them now. */
export interface IdentityStore {
  findUser(uuid: string): Promise<KnownUser | undefined>;
  findKey(prefix: string): Promise<KnownKey | undefined>;
  /** Must not take time. */
  keyUsed(uuid: string): void;
}

export interface AuthenticatorParts {
  store: IdentityStore;
  verifier: TokenVerifier;
  /** Who shows nothing is let in, as an admin. Who shows something wrong is refused all the same. */
  open: boolean;
  /** The claim of an identity provider's tokens that names the role. */
  roleClaim: string;
  /** How long what was found out is relied on: as long a revoked key may still be used. */
  cacheMs: number;
}

const MAX_CACHED = 10_000;
const MAX_CREDENTIAL = 8_192;
const BEARER = /^Bearer +(\S+)$/i;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export class Authenticator {
  readonly #known = new TtlCache<Identity>(MAX_CACHED);

  constructor(private readonly parts: AuthenticatorParts) {}

  /** Throws NotAuthenticated; AuthenticationAway, or the database's error, when it can't be told. */
  async authenticate(headers: IncomingHttpHeaders): Promise<Identity> {
    const credential = credentialIn(headers);
    if (credential === undefined) {
      if (this.parts.open) return OPEN_IDENTITY;
      throw new NotAuthenticated('missing');
    }
    // By its hash, so that nothing that is worth stealing is kept.
    const found = await this.#known.get(
      hash('sha256', credential, 'base64'),
      () => this.#identify(credential),
      ({ expiresAt }) => Math.min(Date.now() + this.parts.cacheMs, expiresAt?.getTime() ?? Infinity),
    );
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

  /** The user's role is the database's, not the token's: it may have been taken away. */
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

/** A token or key; undefined when nothing is shown. */
function credentialIn({ authorization, 'x-api-key': apiKey }: IncomingHttpHeaders): string | undefined {
  if (authorization !== undefined && apiKey !== undefined) throw new NotAuthenticated('ambiguous');
  const given = authorization === undefined ? apiKey : (BEARER.exec(authorization)?.[1] ?? '');
  if (given === undefined) return undefined;
  if (typeof given !== 'string' || given === '' || given.length > MAX_CREDENTIAL) {
    throw new NotAuthenticated('malformed');
  }
  return given;
}
