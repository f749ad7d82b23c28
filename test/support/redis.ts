/**
 * A real redis-server for tests. When the machine has none and it may, it is
 * installed from the system's packages; when it may not, the suites that need it
 * are skipped and say so.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisOptions as ClientOptions, Redis } from 'ioredis';
import { freePort } from './postgres.js';
import { systemProgram } from './system-program.js';

export interface RedisOptions {
  /** Arguments of redis-server beside the usual ones; a Sentinel's file goes first. */
  args?: string[];
  /** How a client of the test reaches it. */
  client?: ClientOptions;
}

export class TestRedis {
  #process: ChildProcess | undefined;
  /** Its own: a replica leaves what it was sent in a dump.rdb, which the next server there would begin with. */
  #folder: string | undefined;

  constructor(
    private readonly program: string,
    readonly port: number,
    private readonly more: RedisOptions = {},
  ) {}

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it, empty, and waits until it answers. */
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

  /** A client that fails rather than waits. */
  client(): Redis {
    return new Redis(this.port, '127.0.0.1', {
      lazyConnect: true,
      retryStrategy: () => null,
      ...this.more.client,
    });
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

/** A started server, or undefined (and why, on stderr) when this machine can't have one. */
export async function startRedis(options: RedisOptions = {}): Promise<TestRedis | undefined> {
  const program = systemProgram('redis-server');
  if (!program) {
    console.warn('Redis tests are skipped: there is no redis-server on PATH, and it could not be installed');
    return undefined;
  }
  const server = new TestRedis(program, await freePort(), options);
  await server.start();
  return server;
}

/** Several servers that can't all be there or not: throws when one is missing. */
export async function startRedises(options: RedisOptions[]): Promise<TestRedis[]> {
  const servers = await Promise.all(options.map((option) => startRedis(option)));
  return servers.map((server) => {
    if (!server) throw new Error('there is no redis-server');
    return server;
  });
}
