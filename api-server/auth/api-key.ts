/** API keys: `pcf_<prefix>_<secret>`. The prefix identifies the row; the secret has 256 random bits. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const FORMAT = /^pcf_([a-z2-7]{16})_([A-Za-z0-9_-]{43})$/;
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

export interface ApiKeyParts {
  prefix: string;
  secret: string;
}

export function newApiKey(): { key: string; prefix: string; secretHash: Buffer } {
  const prefix = [...randomBytes(16)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('');
  const secret = randomBytes(32).toString('base64url');
  return { key: `pcf_${prefix}_${secret}`, prefix, secretHash: hashSecret(secret) };
}

/** Undefined when the text does not have the format of an API key. */
export function parseApiKey(text: string): ApiKeyParts | undefined {
  const [, prefix, secret] = FORMAT.exec(text) ?? [];
  return prefix && secret ? { prefix, secret } : undefined;
}

export function isApiKey(text: string): boolean {
  return text.startsWith('pcf_');
}

/**
 * SHA-256 without salt and cost factor: 256 random bits cannot be guessed, and a slow hash would
 * delay each request.
 */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

export function secretMatches(secret: string, hash: Buffer): boolean {
  const given = hashSecret(secret);
  return given.length === hash.length && timingSafeEqual(given, hash);
}
