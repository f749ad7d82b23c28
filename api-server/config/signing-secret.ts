/** The setting that holds the secrets of HS256 tokens: one per line, the first one signs. */
import { MIN_SECRET_BYTES, secretLines } from '../../contract/signing-keys.js';

/** The error in a secret; undefined when it is valid. */
export function secretProblem(text: string): string | undefined {
  // A public key must not be a shared secret: everyone who has it could sign tokens.
  if (/-----BEGIN|"kty"/.test(text)) return 'must be random text, not a key pair or certificate';
  const lines = secretLines(text);
  const short = lines.some((line) => Buffer.byteLength(line) < MIN_SECRET_BYTES);
  if (lines.length === 0 || short) return `requires at least ${MIN_SECRET_BYTES} bytes per line`;
  return undefined;
}
