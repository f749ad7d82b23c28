/** Runs the API as a separate process and observes its output, ports and exit code. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ENV } from '../../../contract/image.js';
import { copyProgram } from '../../../sandbox/images.js';

const ROOT = resolve(import.meta.dirname, '../../../..');
const MAIN = 'dist/api-server/main.js';
const BUNDLE = join(ROOT, 'dist/bundle/api-server/main.js');

export type Env = Record<string, string>;

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
  /** Content of the file that PCF_TERMINATION_LOG names. */
  terminationMessage: string;
  ms: number;
}

interface Spawned {
  child: ChildProcess;
  ended: Promise<Ended>;
  output: { stdout: string; stderr: string };
}

/** Starts a role; `image` is a folder made by `makeImage` or by the sandbox, else the build of this checkout. */
export function spawnRole(args: string[], env: Env = {}, image?: string): Spawned {
  const folder = mkdtempSync(join(tmpdir(), 'pcf-test-role-'));
  const terminationMessage = join(folder, 'termination-log');
  writeFileSync(terminationMessage, '');
  const startedAt = performance.now();
  const manifest = image ? manifestOf(image) : { main: BUNDLE, env: {} };
  const child = spawn(process.execPath, [manifest.main, ...args], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      [ENV.configDir]: folder,
      [ENV.terminationLog]: terminationMessage,
      ...manifest.env,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  const ended = once(child, 'close').then(([code]) => {
    const words = readFileSync(terminationMessage, 'utf8');
    rmSync(folder, { recursive: true, force: true });
    return {
      code: code as number | null,
      ...output,
      terminationMessage: words,
      ms: performance.now() - startedAt,
    };
  });
  return { child, ended, output };
}

/** Entry point and variables of an image. Images of the sandbox contain them in an image.json. */
function manifestOf(image: string): { main: string; env: Env } {
  const file = join(image, 'image.json');
  if (!existsSync(file)) return { main: join(image, MAIN), env: {} };
  const { entrypoint, env } = JSON.parse(readFileSync(file, 'utf8')) as { entrypoint: string[]; env: Env };
  return { main: join(image, entrypoint.at(-1) ?? MAIN), env };
}

export function runRole(args: string[], env: Env = {}, image?: string): Promise<Ended> {
  return spawnRole(args, env, image).ended;
}

/**
 * Makes an image in the format of the sandbox: a folder with the build and additional
 * migrations, keyed by file name.
 */
export function makeImage(migrations: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'pcf-test-image-'));
  copyProgram(folder);
  copyFileSync('package.json', join(folder, 'package.json'));
  for (const [file, text] of Object.entries(migrations)) {
    writeFileSync(join(folder, 'dist/api-server/migrations/versions', file), text);
  }
  return folder;
}

/** Returns the source of a migration that runs these statements. */
export function migrationFile(name: string, statements: string[], phase = 'expand'): string {
  const calls = statements.map((sql) => `await runner.query(${JSON.stringify(sql)});`);
  return `export class ${name} { async up(runner) { ${calls.join(' ')} } async down() {} }\n${name}.phase = '${phase}';\n`;
}

export interface GraphqlAnswer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: the shape depends on the query of the test
  data: any;
  errors: { message: string; extensions: Record<string, unknown> }[];
  text: string;
}

/** With several workers, the primary process serves the metrics. */
function primaryMetricsPort({ output }: Spawned): number {
  return Number(/"metricsPort":(\d+)/.exec(output.stdout)?.[1]);
}

export class ApiProcess {
  readonly #spawned: Spawned;

  private constructor(
    spawned: Spawned,
    readonly port: number,
    readonly metricsPort: number,
  ) {
    this.#spawned = spawned;
  }

  /** Starts `serve`, or another role, on free ports and waits until it listens. */
  static async start(
    env: Env,
    image?: string,
    role: 'serve' | 'worker' | 'auth' = 'serve',
  ): Promise<ApiProcess> {
    const ports = {
      PCF_API__SERVER__PORT: '0',
      PCF_API__METRICS__PORT: '0',
      PCF_API__SERVER__HOST: '127.0.0.1',
      PCF_API__SERVER__WORKERS: '1', // in production the default is higher
    };
    const spawned = spawnRole([role], { ...ports, ...env }, image);
    for (;;) {
      const line = spawned.output.stdout
        .split('\n')
        .find((text) => /"msg":"(serving|processing jobs|serving logins)"/.test(text));
      if (line) {
        const { port, metricsPort = primaryMetricsPort(spawned) } = JSON.parse(line) as {
          port: number;
          metricsPort?: number;
        };
        return new ApiProcess(spawned, port, metricsPort);
      }
      if (spawned.child.exitCode !== null)
        throw new Error(`${role} terminated: ${JSON.stringify(spawned.output)}`);
      await sleep(10);
    }
  }

  get pid(): number {
    return this.#spawned.child.pid ?? 0;
  }

  get logs(): Record<string, unknown>[] {
    const lines = this.#spawned.output.stdout.split('\n').filter((line) => line.startsWith('{'));
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  get output(): string {
    return this.#spawned.output.stdout + this.#spawned.output.stderr;
  }

  get isRunning(): boolean {
    return this.#spawned.child.exitCode === null && this.#spawned.child.signalCode === null;
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.port}${path}`, init);
  }

  async metrics(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.metricsPort}/metrics`)).text();
  }

  async graphql(
    query: string,
    variables: object = {},
    headers: Record<string, string> = {},
  ): Promise<GraphqlAnswer> {
    const response = await this.fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query, variables }),
    });
    const text = await response.text();
    const { data, errors = [] } = JSON.parse(text) as Pick<GraphqlAnswer, 'data' | 'errors'>;
    return { status: response.status, headers: response.headers, data, errors, text };
  }

  /** Waits until /health/ready returns a status; fails after `ms` milliseconds. */
  async waitForReady(status = 200, ms = 60_000): Promise<void> {
    const deadline = Date.now() + ms;
    for (;;) {
      const response = await this.fetch('/health/ready');
      const body = await response.text();
      if (response.status === status) return;
      if (Date.now() > deadline)
        throw new Error(`/health/ready still returns ${response.status}: ${body}\n${this.output}`);
      await sleep(20);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#spawned.child.kill(signal);
  }

  get ended(): Promise<Ended> {
    return this.#spawned.ended;
  }

  /** Sends SIGKILL and waits for the exit of the process. */
  async kill(): Promise<void> {
    if (this.isRunning) this.signal('SIGKILL');
    await this.ended;
  }
}
