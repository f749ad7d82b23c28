/** One real PostgreSQL server for all tests of a run, started on first use. Each suite creates its own database. */
import pg from 'pg';
import { Postgres } from '../../../sandbox/postgres/postgres.js';
import { freePorts } from '../../../sandbox/process/ports.js';

let shared: Promise<TestPostgres> | undefined;
let databases = 0;

/** A PostgreSQL server with helpers for tests. */
export class TestPostgres {
  constructor(private readonly server: Postgres) {}

  get port(): number {
    return this.server.port;
  }

  /** The server log. Includes the statements of a database with `log_statement = 'all'`. */
  get log(): string {
    return this.server.log;
  }

  /** Restarts the server on the same port with the same data. */
  start(): Promise<void> {
    return this.server.restart();
  }

  stop(): Promise<void> {
    return this.server.stop();
  }

  /** Kills the server without notice to clients, like a crash. */
  kill(): Promise<void> {
    return this.server.kill();
  }

  remove(): Promise<void> {
    return this.server.remove();
  }

  /** Starts a streaming replica, which the caller must remove. */
  async startReplica(): Promise<TestPostgres> {
    return new TestPostgres(await this.server.startReplica());
  }

  /** Creates a database and returns its URL. */
  async createDatabase(): Promise<string> {
    databases += 1;
    return this.server.createDatabase(`test_${process.pid}_${databases}`);
  }

  /** Copies a database without connections, and returns the URL of the copy. */
  async copyDatabase(from: string): Promise<string> {
    databases += 1;
    const name = `test_${process.pid}_${databases}`;
    const template = new URL(from).pathname.slice(1);
    await this.query(`CREATE DATABASE "${name}" TEMPLATE "${template}"`, this.url('postgres'));
    return this.url(name);
  }

  url(database: string): string {
    return this.server.url(database);
  }

  /** Runs one statement on a separate connection. */
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
}

export function sharedPostgres(): Promise<TestPostgres> {
  shared ??= startPostgres();
  return shared;
}

/** Starts a separate server, which the caller must stop with `removePostgres`. */
export async function startPostgres(): Promise<TestPostgres> {
  const server = new TestPostgres(await Postgres.start());
  // By default, the launcher visits each of the many databases once a minute, which takes 5 % of the CPU.
  await server.query("ALTER SYSTEM SET autovacuum_naptime = '10min'", server.url('postgres'));
  await server.query('SELECT pg_reload_conf()', server.url('postgres'));
  return server;
}

export async function removePostgres(server: TestPostgres | undefined): Promise<void> {
  await server?.remove();
}

export async function stopSharedPostgres(): Promise<void> {
  const server = await shared?.catch(() => undefined);
  shared = undefined;
  await removePostgres(server);
}

/** A free TCP port. */
export async function freePort(): Promise<number> {
  return (await freePorts(1))[0]!;
}
