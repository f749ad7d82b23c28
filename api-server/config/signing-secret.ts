/** The setting that holds the secrets of HS256 tokens: one per line, the first one signs. */
export const MIN_SECRET_BYTES = 32;

/** One secret per line: the first one signs, all of them verify. */
export function secretLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
}

/** The error in a secret; undefined when it is valid. */
export function secretProblem(text: string): string | undefined {
  // A public key must not be a shared secret: everyone who has it could sign tokens.
  if (/-----BEGIN|"kty"/.test(text)) return 'must be random text, not a key pair or certificate';
  const lines = secretLines(text);
  const short = lines.some((line) => Buffer.byteLength(line) < MIN_SECRET_BYTES);
  if (lines.length === 0 || short) return `requires at least ${MIN_SECRET_BYTES} bytes per line`;
  return undefined;
}
