/**
 * A file that lists the processes we started, so that the next start can end what
 * a crash left behind. A pid alone is not enough: it may be somebody else's by then,
 * so each is kept with the time its process began.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export class Ledger {
  constructor(private readonly file: string) {
    mkdirSync(dirname(file), { recursive: true });
  }

  /** Makes this process the owner of the ledger's processes. Throws when another one that is alive owns them. */
  own(): void {
    const file = `${this.file}.owner`;
    if (existsSync(file)) {
      const [pid, start] = readFileSync(file, 'utf8').split(' ');
      if (Number(pid) !== process.pid && start !== '' && startOf(Number(pid)) === start) {
        throw new Error(
          `a sandbox runs here already, as process ${pid}; end it, or choose another --state-dir`,
        );
      }
    }
    writeFileSync(file, `${process.pid} ${startOf(process.pid) ?? ''}`);
  }

  add(pid: number): void {
    appendFileSync(this.file, `${pid} ${startOf(pid) ?? ''}\n`);
  }

  /** Ends every listed process that still is the one that was listed. Returns how many there were. */
  endLeftovers(): number {
    if (!existsSync(this.file)) return 0;
    const lines = readFileSync(this.file, 'utf8').split('\n').filter(Boolean);
    const left = lines
      .map((line) => ({ pid: Number(line.split(' ')[0]), start: line.slice(line.indexOf(' ') + 1) }))
      .filter(({ pid, start }) => start !== '' && startOf(pid) === start);
    for (const { pid } of left) end(pid);
    rmSync(this.file);
    return left.length;
  }
}

/** When a process began, in the system's own terms; undefined when there is none. */
function startOf(pid: number): string | undefined {
  try {
    // Field 22 of /proc/PID/stat; the second field may hold spaces, so count from its closing bracket.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return existsSync('/proc/self/stat') ? undefined : startByPs(pid);
  }
}

function startByPs(pid: number): string | undefined {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}

/** Children are started as leaders of their own group, so that their children go too. */
function end(pid: number): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, 'SIGKILL');
    } catch {
      // gone already
    }
  }
}
