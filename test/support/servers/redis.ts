/**
 * A real redis-server for tests: from PATH, or installed from Debian packages if possible.
 * Without it, the suites that need it are skipped with a warning.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisOptions as ClientOptions, Redis } from 'ioredis';
import { systemProgram } from '../processes/system-program.js';
import { freePort } from './postgres.js';

export interface RedisOptions {
  /** Additional arguments of redis-server, before the default ones. A Sentinel needs its file first. */
  args?: string[];
  /** Connection options for clients of the test. */
  client?: ClientOptions;
}

export class TestRedis {
  #process: ChildProcess | undefined;
  /** Separate folder, because a replica writes a dump.rdb, which another server would load. */
  #folder: string | undefined;

  constructor(
    private readonly program: string,
    readonly port: number,
    private readonly more: RedisOptions = {},
  ) {}

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts an empty server, and waits until it responds. */
  async start(): Promise<void> {
    const settings = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    const port = this.more.client?.tls
      ? ['--port', '0', '--tls-port', `${this.port}`]
      : ['--port', `${this.port}`];
    const args = [...(this.more.args ?? []), ...port, ...settings];
    this.#folder = mkdtempSync(join(tmpdir(), 'pcf-test-redis-data-'));
    this.#process = spawn(this.program, args, { stdio: 'ignore', cwd: this.#folder });
    const client = this.client();
    client.on('error', () => undefined);
    for (let tries = 0; ; tries += 1) {
      try {
        await client.connect();
        await client.ping();
        break;
      } catch (error) {
        if (tries < 100) {
          await sleep(50);
          continue;
        }
        client.disconnect();
        await this.stop();
        throw new Error(`redis-server did not start: ${error}`);
      }
    }
    client.disconnect();
  }

  /** A client that does not reconnect. */
  client(): Redis {
    return new Redis(this.port, '127.0.0.1', {
      lazyConnect: true,
      retryStrategy: () => null,
      ...this.more.client,
    });
  }

  /** Stops the process without closing its connections: clients connect, but receive no responses. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    if (this.#folder) rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}

/** Starts a server. Returns undefined and prints a warning if redis-server is unavailable. */
export async function startRedis(options: RedisOptions = {}): Promise<TestRedis | undefined> {
  const program = systemProgram('redis-server');
  if (!program) {
    console.warn('Redis tests are skipped: redis-server is not on PATH and could not be installed');
    return undefined;
  }
  const server = new TestRedis(program, await freePort(), options);
  await server.start();
  return server;
}

/** Starts several servers. Throws if redis-server is unavailable. */
export async function startRedises(options: RedisOptions[]): Promise<TestRedis[]> {
  const servers = await Promise.all(options.map((option) => startRedis(option)));
  return servers.map((server) => {
    if (!server) throw new Error('redis-server is unavailable');
    return server;
  });
}
