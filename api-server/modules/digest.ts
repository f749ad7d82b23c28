import { createHash } from 'node:crypto';

/**
 * What a request asks for, in few bytes: a second one with the same idempotency key
 * must ask for the same. What is left out and what is null are the same.
 */
export function requestDigest(input: object): string {
  const given = Object.entries(input)
    .filter(([, value]) => value != null)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(given)).digest('base64url');
}
