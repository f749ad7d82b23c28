import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import type { SharedSecrets } from './shared-secrets.js';

export const USER_SUBJECT = 'user:';

export interface SignerParts {
  secrets: SharedSecrets;
  issuer: string;
  audience: string;
  ttlMs: number;
}

/**
 * Signs access tokens of users. They contain only the user ID; the role is read from the database,
 * so that it can change.
 */
export async function signUserToken(
  { secrets, issuer, audience, ttlMs }: SignerParts,
  userUuid: string,
): Promise<{ token: string; expiresInSeconds: number }> {
  const { kid, key } = secrets.current;
  const expiresInSeconds = Math.floor(ttlMs / 1_000);
  const now = Math.floor(Date.now() / 1_000);
  const token = await new SignJWT()
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT', kid })
    .setSubject(USER_SUBJECT + userUuid)
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt(now)
    .setExpirationTime(now + expiresInSeconds)
    .setJti(randomUUID())
    .sign(key);
  return { token, expiresInSeconds };
}
