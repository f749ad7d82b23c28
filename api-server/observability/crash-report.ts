import { writeFileSync } from 'node:fs';
import { ENV } from '../../contract/image.js';

/** The kubelet reads at most this many bytes of a termination message. */
export const LAST_WORDS_BYTES = 4_096;

/**
 * Writes the reason of the exit to the termination log, if one is configured. Longer text is
 * truncated. A write error is reported on stderr, so that it does not hide the reason. Returns
 * false when the write failed.
 */
export function writeTerminationMessage(text: string, env: NodeJS.ProcessEnv = process.env): boolean {
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
