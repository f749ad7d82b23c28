import { createHash } from 'node:crypto';

/**
 * Hash of the input of a mutation. A retry with the same idempotency key must have the same hash.
 * Null and omitted fields are equivalent.
 */
export function requestDigest(input: object): string {
  const given = Object.entries(input)
    .filter(([, value]) => value != null)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(given)).digest('base64url');
}
