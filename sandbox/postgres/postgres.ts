/** A PostgreSQL server without an installation, which can be stopped, killed and restarted. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chownSync,
  lchownSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Ledger } from '../process/ledger.js';
import { freePorts } from '../process/ports.js';
import { within } from '../process/within.js';
import { type Binaries, postgresBinaries } from './binaries.js';
import { copyAsStandby } from './replica.js';

const USER = 'postgres';

export interface PostgresOptions {
  /** Records the process, so that a later start can terminate it. */
  ledger?: Ledger;
  /** Listen address, also used in URLs, such as an address that pods can reach. Default: loopback. */
  address?: string;
}

export class Postgres {
  private child: ChildProcess | undefined;
  private output = '';

  private constructor(
    readonly port: number,
    /** Data folder in the temporary folder of the system, which the user of the server can access. */
    private readonly folder: string,
    private readonly binaries: Binaries,
    private readonly password: string,
    private readonly ledger: Ledger | undefined,
    private readonly address = '127.0.0.1',
  ) {}

  /** Starts a server with empty data. */
  static async start({ ledger, address }: PostgresOptions = {}): Promise<Postgres> {
    const [port] = await freePorts(1);
    const folder = mkdtempSync(join(tmpdir(), 'pcf-postgres-data-'));
    ledger?.addFolder(folder);
    // With characters that must be escaped in a URL, to detect missing escapes.
    const password = `${randomBytes(12).toString('hex')}/+`;
    const postgres = new Postgres(port!, folder, postgresBinaries(), password, ledger, address);
    try {
      postgres.initialise();
      await postgres.restart();
    } catch (error) {
      await postgres.remove();
      throw error;
    }
    return postgres;
  }

  /** Starts a streaming replica of this server. */
  async startReplica(): Promise<Postgres> {
    const [port] = await freePorts(1);
    const folder = mkdtempSync(join(tmpdir(), 'pcf-postgres-data-'));
    this.ledger?.addFolder(folder);
    const replica = new Postgres(port!, folder, this.binaries, this.password, this.ledger);
    const client = new Client({ connectionString: this.url() });
    try {
      await client.connect();
      const primary = { host: '127.0.0.1', port: this.port, user: USER, password: this.password };
      await copyAsStandby(client, this.data, replica.data, primary);
      replica.handOver();
      await replica.restart();
    } catch (error) {
      await replica.remove();
      throw error;
    } finally {
      await client.end();
    }
    return replica;
  }

  /** Log output of the server. */
  get log(): string {
    return this.output;
  }

  /** Connection URL of a database. */
  url(database = 'postgres'): string {
    return `postgresql://${USER}:${encodeURIComponent(this.password)}@${this.address}:${this.port}/${database}`;
  }

  /** Creates an empty database. Returns its URL. */
  async createDatabase(name: string): Promise<string> {
    const client = new Client({ connectionString: this.url() });
    await client.connect();
    await client.query(`CREATE DATABASE "${name.replaceAll('"', '""')}"`).finally(() => client.end());
    return this.url(name);
  }

  /** Restarts it on the same port with the same data. Resolves when it accepts connections. */
  async restart(): Promise<void> {
    const { postgres, runAs } = this.binaries;
    const settings = [
      'fsync=off',
      'max_connections=200',
      `listen_addresses=${this.address}`,
      'unix_socket_directories=',
    ];
    const args = [
      '-D',
      this.data,
      '-p',
      String(this.port),
      ...settings.flatMap((setting) => ['-c', setting]),
    ];
    const child = spawn(postgres, args, {
      ...runAs,
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.output = (this.output + chunk.toString()).slice(-1_000_000);
      });
    }
    this.child = child;
    if (child.pid) this.ledger?.add(child.pid);
    await this.untilReady(child);
  }

  /** A fast shutdown: clients are disconnected. */
  async stop(): Promise<void> {
    await this.end('SIGINT'); // fast shutdown of PostgreSQL
  }

  /** A crash: SIGKILL. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
    // Its child processes exit by themselves; a new server does not start before that.
    await sleep(500);
    rmSync(join(this.data, 'postmaster.pid'), { force: true });
  }

  /** Stops it and deletes its data. */
  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Changes the owner of the data to the user of the server. */
  private handOver(): void {
    const { uid, gid } = this.binaries.runAs;
    if (uid === undefined || gid === undefined) return;
    const entries = readdirSync(this.folder, { recursive: true, encoding: 'utf8' });
    for (const entry of ['', ...entries]) lchownSync(join(this.folder, entry), uid, gid);
  }

  private initialise(): void {
    const { initdb, runAs } = this.binaries;
    const passwordFile = join(this.folder, '.password');
    writeFileSync(passwordFile, this.password, { mode: 0o600 });
    if (runAs.uid !== undefined && runAs.gid !== undefined) {
      for (const path of [this.folder, passwordFile]) chownSync(path, runAs.uid, runAs.gid);
    }
    const args = [
      '-D',
      this.data,
      '-U',
      USER,
      '-A',
      'scram-sha-256',
      `--pwfile=${passwordFile}`,
      '-E',
      'UTF8',
      '--locale=C',
      '--no-sync',
    ];
    execFileSync(initdb, args, { ...runAs, cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'] });
    rmSync(passwordFile);
    // initdb allows loopback only; pods have other addresses.
    appendFileSync(join(this.data, 'pg_hba.conf'), 'host all all samenet scram-sha-256\n');
  }

  private async untilReady(child: ChildProcess): Promise<void> {
    const deadline = performance.now() + 30_000;
    while (performance.now() < deadline) {
      const client = new Client({ connectionString: this.url() });
      const ready = await client.connect().then(
        () => true,
        () => false,
      );
      await client.end().catch(() => {});
      if (ready) return;
      if (child.exitCode !== null) break;
      await sleep(30);
    }
    throw new Error(`PostgreSQL did not start:\n${this.output.slice(-2_000)}`);
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await within('PostgreSQL stops', exited);
  }

  private get data(): string {
    return join(this.folder, 'data');
  }
}
