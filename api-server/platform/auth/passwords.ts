/** Passwords, kept as argon2id in the PHC string format, so that the cost can grow with the machines. */
import crypto, { type Argon2Parameters, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

/** OWASP's least for argon2id: 19 MiB, two passes. */
const COST = { memory: 19_456, passes: 2, parallelism: 1 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const PHC =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{1,86})\$([A-Za-z0-9+/]{1,86})$/;

export const PASSWORD_MIN = 12;
/** Enough for a sentence; what is longer would be work for the server alone. */
export const PASSWORD_MAX = 256;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await argon2id(password, salt, COST, HASH_BYTES);
  const { memory, passes, parallelism } = COST;
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(hash)}`;
}

export interface PasswordCheck {
  matches: boolean;
  /** It was hashed at another cost than today's: to be hashed again, now that it is known. */
  outdated: boolean;
}

/** Without a hash it takes as long as with one, so that nobody learns who has an account. */
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
  // By the default import: Node.js 22 lacks the function, and must still be able to load this file.
  if (!crypto.argon2)
    throw new Error('password hashing requires argon2id, which is available in Node.js 24.7 and later');
  // One text has several forms in Unicode; keyboards differ in which one they send.
  const parameters: Argon2Parameters = { message: password.normalize('NFKC'), nonce, tagLength, ...cost };
  return promisify(crypto.argon2)('argon2id', parameters);
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
