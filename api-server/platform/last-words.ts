import { writeFileSync } from 'node:fs';
import { ENV } from '../../contract/image.js';

/** The kubelet reads no more than this of a termination message. */
export const LAST_WORDS_BYTES = 4_096;

/**
 * Leaves why the process ends where the kubelet reads it, when it has said where.
 * Longer text is cut; a place that can't be written must not hide the reason itself.
 * False: there is such a place, and the words are not in it.
 */
export function leaveLastWords(text: string, env: NodeJS.ProcessEnv = process.env): boolean {
  const file = env[ENV.terminationLog];
  if (!file) return true;
  const bytes = Buffer.from(text).subarray(0, LAST_WORDS_BYTES);
  try {
    writeFileSync(file, bytes);
    return true;
  } catch (error) {
    process.stderr.write(`cannot write ${file}: ${(error as Error).message}\n`);
    return false;
  }
}
