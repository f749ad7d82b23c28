/**
 * Password hashes: argon2id in the PHC string format, which contains the cost parameters, so that
 * they can be raised later.
 */
import crypto, { type Argon2Parameters, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

/** Minimum that OWASP recommends for argon2id: 19 MiB, two passes. */
const COST = { memory: 19_456, passes: 2, parallelism: 1 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const PHC =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{1,86})\$([A-Za-z0-9+/]{1,86})$/;

export const PASSWORD_MIN = 12;
/** Limits the work of hashing a very long password. */
export const PASSWORD_MAX = 256;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await argon2id(password, salt, COST, HASH_BYTES);
  const { memory, passes, parallelism } = COST;
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(hash)}`;
}

export interface PasswordCheck {
  matches: boolean;
  /** The hash has other cost parameters than the current ones, so the password should be hashed again. */
  outdated: boolean;
}

/** Takes the same time without a hash, so that response times do not reveal which accounts exist. */
export async function checkPassword(password: string, phc: string | null): Promise<PasswordCheck> {
  const [, memory, passes, parallelism, salt = '', hash = ''] = PHC.exec(phc ?? '') ?? [];
  if (!hash) {
    await argon2id(password, randomBytes(SALT_BYTES), COST, HASH_BYTES);
    return { matches: false, outdated: false };
  }
  const cost = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) };
  const expected = Buffer.from(hash, 'base64');
  const actual = await argon2id(password, Buffer.from(salt, 'base64'), cost, expected.length);
  const outdated = cost.memory !== COST.memory || cost.passes !== COST.passes;
  return { matches: timingSafeEqual(actual, expected), outdated };
}

async function argon2id(
  password: string,
  nonce: Buffer,
  cost: typeof COST,
  tagLength: number,
): Promise<Buffer> {
  // Default import: Node.js 22 lacks the function, and a named import would fail when this file is
  // loaded.
  if (!crypto.argon2)
    throw new Error('password hashing requires argon2id, which is available in Node.js 24.7 and later');
  // Keyboards produce different Unicode forms of the same text.
  const parameters: Argon2Parameters = { message: password.normalize('NFKC'), nonce, tagLength, ...cost };
  return promisify(crypto.argon2)('argon2id', parameters);
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
