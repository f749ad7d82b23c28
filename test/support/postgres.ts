/** One real PostgreSQL for all tests of a run, started when it is first asked for; each suite makes its own database in it. */
import pg from 'pg';
import { Postgres } from '../../sandbox/postgres/postgres.js';
import { freePorts } from '../../sandbox/process/ports.js';

let shared: Promise<TestPostgres> | undefined;
let databases = 0;

/** A server, with what tests do to it. */
export class TestPostgres {
  constructor(private readonly server: Postgres) {}

  get port(): number {
    return this.server.port;
  }

  /** What the server has logged; statements too, in a database with `log_statement = 'all'`. */
  get log(): string {
    return this.server.log;
  }

  /** Starts it again on the same port with the same data. */
  start(): Promise<void> {
    return this.server.restart();
  }

  stop(): Promise<void> {
    return this.server.stop();
  }

  /** As a crash would: no word to anyone. */
  kill(): Promise<void> {
    return this.server.kill();
  }

  remove(): Promise<void> {
    return this.server.remove();
  }

  /** A streaming replica of it; the caller removes it. */
  async startReplica(): Promise<TestPostgres> {
    return new TestPostgres(await this.server.startReplica());
  }

  /** A new database's URL. */
  async createDatabase(): Promise<string> {
    databases += 1;
    return this.server.createDatabase(`test_${process.pid}_${databases}`);
  }

  /** A copy of a database that nobody is connected to. */
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
}

export function sharedPostgres(): Promise<TestPostgres> {
  shared ??= startPostgres();
  return shared;
}

/** A server of one's own; the caller stops it with `removePostgres`. */
export async function startPostgres(): Promise<TestPostgres> {
  return new TestPostgres(await Postgres.start());
}

export async function removePostgres(server: TestPostgres | undefined): Promise<void> {
  await server?.remove();
}

export async function stopSharedPostgres(): Promise<void> {
  const server = await shared?.catch(() => undefined);
  shared = undefined;
  await removePostgres(server);
}

/** A port nobody listens on. */
export async function freePort(): Promise<number> {
  return (await freePorts(1))[0]!;
}
