/** Identity of a process: its pid and start time, because a pid can be reused. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

export interface ProcessIdentity {
  pid: number;
  /** Start time in units of the system. */
  start: string;
}

/** Identity of a running process; undefined if no process has this pid. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const start = existsSync('/proc/self/stat') ? startByProc(pid) : startByPs(pid);
  return start === undefined ? undefined : { pid, start };
}

/** Whether the process still runs. */
export function stillRuns({ pid, start }: ProcessIdentity): boolean {
  return identityOf(pid)?.start === start;
}

/** `pid start`, one line. */
export function formatIdentity({ pid, start }: ProcessIdentity): string {
  return `${pid} ${start}`;
}

/** Undefined for an invalid line, for example after a crash during a write. */
export function parseIdentity(line: string): ProcessIdentity | undefined {
  const [, pid, start] = /^(\d+) (.+)$/.exec(line.trim()) ?? [];
  return pid && start ? { pid: Number(pid), start } : undefined;
}

function startByProc(pid: number): string | undefined {
  try {
    // Field 22 of /proc/PID/stat; the second field can contain spaces, so fields are counted from its closing
    // bracket.
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
