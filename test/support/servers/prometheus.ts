/**
 * A real Prometheus for tests: from PATH, or installed from Debian packages if possible.
 * Without it, the suites that need it are skipped with a warning.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { systemProgram } from '../processes/system-program.js';
import { freePort } from './postgres.js';

/** Also the timeout of a scrape: a failed one ends all series, and a busy machine needs more than 200 ms at times. */
const SCRAPE_INTERVAL = '500ms';

export interface PrometheusOptions {
  /** Scrape target as host:port, with honor_labels. */
  target: string;
  /** TLS and basic authentication. Prometheus requires the bcrypt hash of the password. */
  secure?: { cert: string; key: string; user: string; passwordHash: string };
}

export class TestPrometheus {
  #process: ChildProcess | undefined;
  #log = '';

  private constructor(
    private readonly program: string,
    private readonly folder: string,
    private readonly port: number,
    private readonly secure: boolean,
  ) {}

  static async create(program: string, { target, secure }: PrometheusOptions): Promise<TestPrometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'pcf-prometheus-'));
    const scrape = { job_name: 'api', honor_labels: true, static_configs: [{ targets: [target] }] };
    const global = { scrape_interval: SCRAPE_INTERVAL, scrape_timeout: SCRAPE_INTERVAL };
    writeFileSync(join(folder, 'prometheus.yaml'), stringify({ global, scrape_configs: [scrape] }));
    if (secure) {
      writeFileSync(join(folder, 'cert.pem'), secure.cert);
      writeFileSync(join(folder, 'key.pem'), secure.key);
      const web = {
        tls_server_config: { cert_file: 'cert.pem', key_file: 'key.pem' },
        basic_auth_users: { [secure.user]: secure.passwordHash },
      };
      writeFileSync(join(folder, 'web.yaml'), stringify(web));
    }
    return new TestPrometheus(program, folder, await freePort(), secure !== undefined);
  }

  get url(): string {
    return `${this.secure ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  /** Starts the server with its existing data. */
  async start(): Promise<void> {
    const flags = [
      `--config.file=${join(this.folder, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(this.folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${this.port}`,
      ...(this.secure ? [`--web.config.file=${join(this.folder, 'web.yaml')}`] : []),
    ];
    const child = spawn(this.program, flags, { stdio: ['ignore', 'ignore', 'pipe'], cwd: '/' });
    this.#process = child;
    child.stderr.on('data', (chunk: Buffer) => {
      this.#log = `${this.#log}${chunk}`.slice(-10_000);
    });
    for (let tries = 0; !this.#log.includes('Server is ready to receive web requests'); tries += 1) {
      if (tries >= 300 || child.exitCode !== null) throw new Error(`prometheus did not start:\n${this.#log}`);
      await sleep(50);
    }
  }

  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    this.#log = '';
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Current result of a query, one number per series. Only without TLS. */
  async values(query: string): Promise<number[]> {
    return (await this.samples(query)).map(({ value }) => value);
  }

  /** Result of a query at a time, in milliseconds since the epoch. Only without TLS. */
  async samples(
    query: string,
    at = Date.now(),
  ): Promise<{ labels: Record<string, string>; value: number }[]> {
    const parameters = new URLSearchParams({ query, time: (at / 1000).toFixed(3) });
    const response = await fetch(`${this.url}/api/v1/query?${parameters}`);
    const { data, error } = (await response.json()) as {
      data?: { result: { metric: Record<string, string>; value: [number, string] }[] };
      error?: string;
    };
    if (!data) throw new Error(error);
    return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
  }
}

/** Starts a server. Returns undefined and prints a warning if Prometheus is unavailable. */
export async function startPrometheus(options: PrometheusOptions): Promise<TestPrometheus | undefined> {
  const program = systemProgram('prometheus');
  if (!program) {
    console.warn('Prometheus tests are skipped: prometheus is not on PATH and could not be installed');
    return undefined;
  }
  const server = await TestPrometheus.create(program, options);
  await server.start();
  return server;
}

/** Path of promtool. Returns undefined and prints a warning if it is unavailable. */
export function findPromtool(): string | undefined {
  const program = systemProgram('promtool', 'prometheus');
  if (!program)
    console.warn('alert rule tests are skipped: promtool is not on PATH and could not be installed');
  return program;
}
