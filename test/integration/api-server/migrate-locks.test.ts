import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { EXIT, migrationReportSchema } from '../../../contract/image.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { makeImage, migrationFile, runRole } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

/** Limit in docs/migrations.md. */
const LONGEST_STALL_MS = 600;
const NAME = 'Add1795380000001';
const TWO_TABLES = [
  'ALTER TABLE deployments ADD COLUMN tier text',
  'ALTER TABLE services ADD COLUMN tier text',
];

describe('api-server migrate: locks', () => {
  let postgres: TestPostgres;
  let url: string;
  let image: string;
  const open: pg.Client[] = [];
  const up = async (env: Record<string, string> = {}) => {
    const ended = await runRole(
      ['migrate', 'up', '--json'],
      { PCF_API__DATABASE__URL: url, PCF_API__MIGRATIONS__LOCK_ATTEMPTS: '3', ...env },
      image,
    );
    return { ...ended, report: migrationReportSchema.parse(JSON.parse(ended.stdout)) };
  };
  /** Opens a transaction that has read the services table. */
  const openReport = async () => {
    const client = new pg.Client({ connectionString: url, application_name: 'a long report' });
    client.on('error', () => undefined);
    await client.connect();
    open.push(client);
    await client.query('BEGIN');
    await client.query('SELECT count(*) FROM services');
    return client;
  };

  before(async () => {
    postgres = await sharedPostgres();
    image = makeImage({ '1795380000001-add.js': migrationFile(NAME, TWO_TABLES) });
  });
  beforeEach(async () => {
    url = await migratedDatabase();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((client) => client.end().catch(() => undefined)));
  });
  after(() => rmSync(image, { recursive: true, force: true }));

  it(`blocks reads for at most ${LONGEST_STALL_MS} ms while it waits for the lock of a long transaction`, async () => {
    await openReport();
    await using reads = new Reads(url);
    const { code, report: ended } = await up();
    assert.equal(code, EXIT.tempFail);
    assert.match(
      ended.error ?? '',
      new RegExp(
        `^${NAME}: could not obtain lock on services; held by pid \\d+ \\(a long report, .*idle in transaction\\)`,
      ),
    );
    await reads.stop();
    console.log(`      longest stall: ${reads.longestMs.toFixed(0)} ms`);
    assert.ok(reads.longestMs <= LONGEST_STALL_MS, `a read took ${reads.longestMs} ms`);
  });

  it(`blocks reads for at most ${LONGEST_STALL_MS} ms while it waits for the locks of overlapping transactions`, async () => {
    await using reads = new Reads(url);
    let stopped = false;
    const overlapping = (async () => {
      while (!stopped) {
        const client = await openReport();
        setTimeout(() => void client.end(), 2_000);
        await sleep(200);
      }
    })();
    await sleep(500);
    const { code, stderr } = await up({ PCF_API__MIGRATIONS__LOCK_ATTEMPTS: '4' });
    stopped = true;
    await overlapping;
    await reads.stop();
    assert.equal(code, EXIT.tempFail);
    assert.match(stderr, /migration starts/, 'the migration has not started');
    console.log(`      longest stall: ${reads.longestMs.toFixed(0)} ms`);
    assert.ok(reads.longestMs <= LONGEST_STALL_MS, `a read took ${reads.longestMs} ms`);
  });

  it('cancels the statement or terminates the session of transactions older than cancel_blockers_after', async () => {
    for (const sql of ['SELECT 1', 'SELECT pg_sleep(60)']) {
      url = await migratedDatabase();
      const client = await openReport();
      const running = client.query(sql).then(
        () => 'done',
        (error: Error) => error.message,
      );
      if (sql === 'SELECT 1') await running;
      await sleep(300);
      const withoutCancel = await up({
        PCF_API__MIGRATIONS__LOCK_ATTEMPTS: '1',
        PCF_API__MIGRATIONS__CANCEL_BLOCKERS_AFTER: '1h',
      });
      assert.equal(withoutCancel.code, EXIT.tempFail, sql);
      const {
        code,
        report: ended,
        stderr,
      } = await up({
        PCF_API__MIGRATIONS__CANCEL_BLOCKERS_AFTER: '300ms',
      });
      assert.equal(code, EXIT.ok, ended.error);
      assert.match(stderr, /"application":"a long report".*cancelled a transaction that blocks a migration/);
      if (sql !== 'SELECT 1') assert.match(await running, /canceling statement due to user request/);
    }
  });

  it('cancels an autovacuum of the table, as PostgreSQL does for a statement that waits for deadlock_timeout', async () => {
    await postgres.query(
      `INSERT INTO services (id, name) SELECT gen_random_uuid(), 's' || n FROM generate_series(1, 20000) n;
       UPDATE services SET owner = 'platform';
       ALTER TABLE services SET (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0,
         autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)`,
      url,
    );
    await postgres.query("ALTER SYSTEM SET autovacuum_naptime = '1s'", url);
    await postgres.query('SELECT pg_reload_conf()', url);
    try {
      const working =
        "SELECT FROM pg_locks WHERE relation = 'services'::regclass AND mode = 'ShareUpdateExclusiveLock' AND pid IN (SELECT pid FROM pg_stat_activity WHERE backend_type = 'autovacuum worker')";
      while ((await postgres.query(working, url)).length === 0) await sleep(50);
      await using reads = new Reads(url);
      const { code, report: ended } = await up({ PCF_API__MIGRATIONS__LOCK_ATTEMPTS: '2' });
      assert.equal(code, EXIT.ok, ended.error);
      await reads.stop();
      assert.ok(reads.longestMs <= LONGEST_STALL_MS, `a read took ${reads.longestMs} ms`);
    } finally {
      await postgres.query('ALTER SYSTEM RESET autovacuum_naptime', url);
      await postgres.query('SELECT pg_reload_conf()', url);
    }
  });
});

/** Reads both tables continuously, and measures the longest read. */
class Reads implements AsyncDisposable {
  longestMs = 0;
  #isStopped = false;
  readonly #ended: Promise<unknown>;

  constructor(url: string) {
    this.#ended = Promise.all(['services', 'deployments'].map((table) => this.#read(url, table)));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #read(url: string, table: string): Promise<void> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    while (!this.#isStopped) {
      const startedAt = performance.now();
      await client.query(`SELECT FROM ${table} LIMIT 1`);
      this.longestMs = Math.max(this.longestMs, performance.now() - startedAt);
      await sleep(5);
    }
    await client.end();
  }
}
