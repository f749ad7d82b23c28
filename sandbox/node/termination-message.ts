/** Exit code and termination message of a container. */
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { Exit } from '../process/managed-process.js';

/** Limits of the kubelet in bytes; for the log as fallback also in lines. */
const MAX_MESSAGE = 4_096;
const MAX_LOG = 2_048;
const MAX_LOG_LINES = 80;

/**
 * 128 plus the signal number for a process that was terminated by a signal, as in shells and container
 * runtimes.
 */
export function exitCodeOf({ code, signal }: Exit): number {
  return code ?? 128 + (signal ? constants.signals[signal] : 0);
}

export interface TerminationMessageSource {
  terminationLog: string;
  log: string;
  /** Whether the log is used if the termination message is empty. */
  fallBackToLog: boolean;
}

/** End of the termination message, or of the log. Empty if both are missing. */
export function terminationMessage({ terminationLog, log, fallBackToLog }: TerminationMessageSource): string {
  const message = tail(terminationLog, MAX_MESSAGE);
  if (message || !fallBackToLog) return message;
  return tail(log, MAX_LOG).split('\n').slice(-MAX_LOG_LINES).join('\n');
}

/** Last bytes of a file, without a partial character at the start. */
function tail(path: string, bytes: number): string {
  try {
    const content = readFileSync(path);
    let start = Math.max(0, content.length - bytes);
    while (start > 0 && start < content.length && (content[start]! & 0xc0) === 0x80) start += 1;
    return content.subarray(start).toString('utf8');
  } catch {
    return '';
  }
}
