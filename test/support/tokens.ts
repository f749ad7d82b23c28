/** Valid and invalid tokens for tests. */
import { createHmac } from 'node:crypto';
import { SignJWT } from 'jose';

export const JWT_SECRET = 'a secret of the tests, for no other use';

/** Default claims of a token. */
export function claims(more: object = {}): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1_000);
  return { iss: 'pcf-api', aud: 'pcf-api', sub: 'tester', role: 'ADMIN', iat: now, exp: now + 600, ...more };
}

export async function signToken(
  more: object = {},
  secret = JWT_SECRET,
  header: object = {},
): Promise<string> {
  const all = Object.entries(claims(more)).filter(([, value]) => value !== undefined);
  return new SignJWT(Object.fromEntries(all))
    .setProtectedHeader({ alg: 'HS256', ...header })
    .sign(Buffer.from(secret));
}

/** A token with an arbitrary header and signing key, which libraries refuse to create. */
export function forgeToken(header: object, key: string | undefined, more: object = {}): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${part(header)}.${part(claims(more))}`;
  const signature = key === undefined ? '' : createHmac('sha256', key).update(input).digest('base64url');
  return `${input}.${signature}`;
}

export async function bearer(more: object = {}, secret?: string): Promise<Record<string, string>> {
  return { authorization: `Bearer ${await signToken(more, secret)}` };
}
