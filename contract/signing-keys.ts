/**
 * Format of the Secret value with the keys of HS256 tokens: one key per line, the first one signs, all of
 * them verify.
 */
import { createHash } from 'node:crypto';

/** Minimum length of a key. */
export const MIN_SECRET_BYTES = 32;

/** Keys of the value, in its order. */
export function secretLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
}

/** Key ID, the header `kid` of tokens: identifies a key without revealing it. */
export function keyIdOf(key: string): string {
  return createHash('sha256').update(`pcf-api kid\0${key}`).digest('base64url').slice(0, 12);
}
