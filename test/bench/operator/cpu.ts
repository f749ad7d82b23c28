/** CPU time of processes, which depends less on the load of the machine than the time of a clock. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Unit of the times in /proc, see sysconf(_SC_CLK_TCK): 100 per second on all architectures of Linux. */
const TICKS_PER_SECOND = 100;

/** User and system time in seconds; 0 if the process does not run, or without /proc. */
export function cpuSeconds(pid: number | undefined): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the program, in parentheses, can contain spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}

const SLICE_MS = 500;
/** Consecutive slices in which the process is idle. */
const IDLE_SLICES = 4;
const IDLE_SHARE = 0.1;

/** Resolves when the process has used less than a tenth of a CPU for two seconds. */
export async function untilIdle(what: string, pid: number | undefined, limitMs = 300_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  let before = cpuSeconds(pid);
  for (let idle = 0; idle < IDLE_SLICES; ) {
    if (performance.now() > deadline) throw new Error(`${what} is not idle within ${limitMs / 1000} s`);
    await sleep(SLICE_MS);
    const now = cpuSeconds(pid);
    idle = (now - before) * 1000 < IDLE_SHARE * SLICE_MS ? idle + 1 : 0;
    before = now;
  }
}
