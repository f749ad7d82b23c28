/**
 * Processes that exited with an error. Failures of later tests name them: an operator that lost its Lease on a busy
 * machine looks like an operator that does nothing.
 */
import type { ManagedProcess } from '../../../sandbox/process/managed-process.js';

type Watched = Pick<ManagedProcess, 'exited' | 'failed'> & { lastLines(count?: number): string };

const SHOWN_LINES = 3;
const ended: string[] = [];

export function reportWhenEnded(name: string, watched: Watched): void {
  void watched.exited.then(() => {
    if (watched.failed) ended.push(`${name} exited:\n${watched.lastLines(SHOWN_LINES)}`);
  });
}

/** For the end of an error message. Empty if no process exited with an error. */
export function endedProcesses(): string {
  return ended.map((text) => `\n${text}`).join('');
}
