/** Creates the authenticator from the settings. */
import { ConfigError } from '../config/config-error.js';
import type { Settings } from '../config/schema.js';
import { Secret } from '../config/secret.js';
import type { Logger } from '../observability/logging/logger.js';
import { Authenticator, type IdentityStore } from './authenticator.js';
import { ProviderKeys } from './provider-keys.js';
import { SharedSecrets } from './shared-secrets.js';
import { TokenVerifier } from './token-verifier.js';

export interface Authentication {
  authenticator: Authenticator;
  close(): void;
}

export function createAuthenticator(settings: Settings, store: IdentityStore, log: Logger): Authentication {
  const { auth, environment } = settings;
  const { issuer, audience, clock_skew: clockSkewMs, jwks_url: jwksUrl, jwks_issuer: jwksIssuer } = auth;
  if (auth.open) {
    log.warn('authentication is disabled: auth.open is true, so every client has the role ADMIN');
  }
  if (jwksUrl && environment !== 'development' && !jwksUrl.startsWith('https:')) {
    // Over plain HTTP, an attacker could replace the keys and sign tokens.
    throw new ConfigError([{ path: 'auth.jwks_url', problem: 'must be an https URL except in development' }]);
  }
  const shared = createSharedSecrets(auth, log);
  const provider = jwksUrl &&
    jwksIssuer && { keys: new ProviderKeys(jwksUrl, log), issuer: jwksIssuer, audience };
  const verifier = new TokenVerifier({
    ...{ issuer, audience, clockSkewMs },
    ...(shared && { secrets: shared.secrets }),
    ...(provider && { provider }),
  });
  const authenticator = new Authenticator({
    ...{ store, verifier, open: auth.open },
    roleClaim: auth.jwks_role_claim,
    cacheMs: auth.identity_cache,
  });
  return { authenticator, close: () => shared?.close() };
}

/** Undefined when no secret is configured. */
export function createSharedSecrets(
  auth: Settings['auth'],
  log: Logger,
): { secrets: SharedSecrets; close(): void } | undefined {
  const { jwt_secret: text, jwt_secret_file: file, rotation_overlap: overlapMs } = auth;
  if (!text) return undefined;
  const secret = new Secret(text, file ? { file, log } : undefined);
  secret.onChange(() => log.info('token signing secret reloaded'));
  const secrets = new SharedSecrets(secret, overlapMs, (problem) =>
    log.error({ problem }, 'new token signing secret rejected, keeping the previous one'),
  );
  return { secrets, close: () => secret.close() };
}
