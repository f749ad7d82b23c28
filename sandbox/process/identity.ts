/**
 * Who a process is. A pid alone does not say: once its process has ended it may be
 * anybody's, so it is kept together with the time the process began.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

export interface ProcessIdentity {
  pid: number;
  /** When it began, in the system's own terms. */
  start: string;
}

/** Of a running process; undefined when there is none with this pid. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const start = existsSync('/proc/self/stat') ? startByProc(pid) : startByPs(pid);
  return start === undefined ? undefined : { pid, start };
}

/** Whether the process still runs, and is still the one it was. */
export function stillRuns({ pid, start }: ProcessIdentity): boolean {
  return identityOf(pid)?.start === start;
}

/** `pid start`, one line. */
export function formatIdentity({ pid, start }: ProcessIdentity): string {
  return `${pid} ${start}`;
}

/** Undefined for a line that is no identity, such as one cut short by a crash. */
export function parseIdentity(line: string): ProcessIdentity | undefined {
  const [, pid, start] = /^(\d+) (.+)$/.exec(line.trim()) ?? [];
  return pid && start ? { pid: Number(pid), start } : undefined;
}

function startByProc(pid: number): string | undefined {
  try {
    // Field 22 of /proc/PID/stat; the second field may hold spaces, so count from its closing bracket.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function startByPs(pid: number): string | undefined {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}
