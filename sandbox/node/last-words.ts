/** How a container ended: exit code, and the message it left. */
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { Exit } from '../process/managed-process.js';

/** The kubelet's limits, in bytes; of a log that stands in, also this many lines. */
const MAX_MESSAGE = 4_096;
const MAX_LOG = 2_048;
const MAX_LOG_LINES = 80;

/** 128 and the signal's number for a process that a signal ended, as shells and runtimes have it. */
export function exitCodeOf({ code, signal }: Exit): number {
  return code ?? 128 + (signal ? constants.signals[signal] : 0);
}

export interface LastWords {
  terminationLog: string;
  log: string;
  /** Whether the log stands in for an empty termination log. */
  fallBackToLog: boolean;
}

/** The end of the termination log, or of the log. Empty when there is neither. */
export function lastWords({ terminationLog, log, fallBackToLog }: LastWords): string {
  const message = tail(terminationLog, MAX_MESSAGE);
  if (message || !fallBackToLog) return message;
  return tail(log, MAX_LOG).split('\n').slice(-MAX_LOG_LINES).join('\n');
}

/** The last bytes of a file, without half a character at their beginning. */
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
