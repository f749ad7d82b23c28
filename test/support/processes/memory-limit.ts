/** Processes with a memory limit that the kernel enforces, as for a container. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const MIB = 2 ** 20;
const V1 = { root: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes' };
const V2 = { root: '/sys/fs/cgroup', limit: 'memory.max' };
let groups = 0;

export interface Measured {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** Largest resident set, in MiB; 0 if the process was killed. */
  peakMib: number;
}

/** A control group with a memory limit. Undefined without root or Linux. */
export class MemoryLimit implements AsyncDisposable {
  private constructor(readonly folder: string) {}

  static create(mib: number): MemoryLimit | undefined {
    const { root, limit } = existsSync(V1.root) ? V1 : V2;
    groups += 1;
    const folder = join(root, `pcf-test-${process.pid}-${groups}`);
    try {
      mkdirSync(folder);
      writeFileSync(join(folder, limit), String(mib * MIB));
      return new MemoryLimit(folder);
    } catch {
      if (existsSync(folder)) rmdirSync(folder);
      return undefined;
    }
  }

  /** Processes that `start` starts belong to the group. */
  async around<T>(start: () => Promise<T>): Promise<T> {
    const before = ownGroup();
    writeFileSync(join(this.folder, 'cgroup.procs'), String(process.pid));
    try {
      return await start();
    } finally {
      writeFileSync(join(before, 'cgroup.procs'), String(process.pid));
    }
  }

  /** Retries, because a killed process leaves its group with a delay. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (let attempt = 0; attempt < 50; attempt++) {
      try {
        return rmdirSync(this.folder);
      } catch {
        await sleep(100);
      }
    }
  }
}

/** The control group of this process. */
function ownGroup(): string {
  const groups = readFileSync('/proc/self/cgroup', 'utf8');
  const [, path = '/'] = /^\d+:(?:memory)?:(.*)$/m.exec(groups) ?? [];
  return join(existsSync(V1.root) ? V1.root : V2.root, path);
}

/** Runs a Node.js program under the limit, if given, and measures it. */
export async function runMeasured(
  args: string[],
  env: Record<string, string>,
  limit?: MemoryLimit,
): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'pcf-test-memory-'));
  const file = join(folder, 'peak');
  const report = `import { writeFileSync } from 'node:fs';
    process.on('exit', () => writeFileSync(${JSON.stringify(file)}, String(process.resourceUsage().maxRSS)));`;
  const command = [
    process.execPath,
    '--import',
    `data:text/javascript,${encodeURIComponent(report)}`,
    ...args,
  ];
  const enter = limit ? `echo $$ > ${limit.folder}/cgroup.procs && ` : '';
  const options = { env: { PATH: process.env.PATH, HOME: process.env.HOME, PCF_CONFIG_DIR: folder, ...env } };
  try {
    return await new Promise((resolve) => {
      const child = execFile(
        'sh',
        ['-c', `${enter}exec "$@"`, 'sh', ...command],
        options,
        (_error, stdout, stderr) => {
          const peakMib = existsSync(file) ? Number(readFileSync(file, 'utf8')) / 1024 : 0;
          resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr, peakMib });
        },
      );
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
