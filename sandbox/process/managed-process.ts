/** A child process in its own process group, with its log in a file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ledger } from './ledger.js';

export interface ProcessSpec {
  name: string;
  command: string;
  args: string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  logFile: string;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export class ManagedProcess {
  private child: ChildProcess | undefined;
  /** Start of its log in bytes: the file can contain output of a previous process. */
  private logStart = 0;
  /** Resolves when the running process has exited. */
  exited: Promise<Exit> = Promise.resolve({ code: 0, signal: null });

  constructor(
    private readonly spec: ProcessSpec,
    private readonly ledger: Ledger,
  ) {}

  get name(): string {
    return this.spec.name;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  get running(): boolean {
    // A program that could not be started has neither a pid nor an exit code.
    return this.child?.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Whether it has exited with an error; not by a signal. */
  get failed(): boolean {
    return (this.child?.exitCode ?? 0) !== 0;
  }

  start(): void {
    const { command, args, env, cwd, logFile } = this.spec;
    mkdirSync(dirname(logFile), { recursive: true });
    const log = openSync(logFile, 'a');
    this.logStart = fstatSync(log).size;
    const child = spawn(command, args, { env, cwd, stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    this.child = child;
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        endGroup(child.pid);
        resolve({ code, signal });
      });
      child.once('error', () => resolve({ code: 127, signal: null }));
    });
    if (child.pid) this.ledger.add(child.pid);
  }

  /** Sends SIGTERM, and SIGKILL after `graceMs`. */
  async stop(graceMs = 5_000, signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    this.signal(signal);
    const late = new AbortController();
    const killer = sleep(graceMs, undefined, { signal: late.signal })
      .then(() => this.signal('SIGKILL'))
      .catch(() => {});
    const exit = await this.exited;
    late.abort();
    await killer;
    return exit;
  }

  /** Sends SIGKILL. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.running || !this.child?.pid) return;
    try {
      process.kill(-this.child.pid, signal);
    } catch {
      this.child.kill(signal);
    }
  }

  /** Last log lines of the process. */
  lastLines(count = 8): string {
    try {
      const said = readFileSync(this.spec.logFile).subarray(this.logStart).toString();
      return said.trimEnd().split('\n').slice(-count).join('\n');
    } catch {
      return '';
    }
  }
}

/** Processes that it started are terminated with it, as in a container. */
function endGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // the group has no process
  }
}

/**
 * Polls until `check` returns true. Throws with the log if the process exits first or the timeout expires.
 */
export async function untilReady(
  name: string,
  running: ManagedProcess,
  check: () => Promise<boolean>,
  timeoutMs = 180_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await check().catch(() => false))) {
    if (!running.running) throw new Error(`${name} ended while starting:\n${running.lastLines()}`);
    if (performance.now() > deadline)
      throw new Error(`${name} was not ready within ${timeoutMs / 1000} s:\n${running.lastLines()}`);
    await sleep(50);
  }
}
