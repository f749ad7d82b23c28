import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { EXIT, type MigrationReport, migrationReportSchema } from '../../../contract/image.js';
import { FULL_PACE, paceRows } from '../../support/fixtures/paced-rows.js';
import { PgBouncer } from '../../support/servers/pgbouncer.js';
import {
  removePostgres,
  sharedPostgres,
  startPostgres,
  type TestPostgres,
} from '../../support/servers/postgres.js';
import { makeImage, migrationFile, runRole, spawnRole } from './api-process.js';

const UP = ['migrate', 'up', '--json'];
const FILL = 'Fill1795380000001';
const FILLING = {
  '1795380000001-fill.js': `export class ${FILL} {
    backfill = { table: 'services', key: 'id', set: "owner = 'platform'", where: 'owner IS NULL' };
    async up() {}
  }\n${FILL}.phase = 'backfill';\n`,
};
/** The first batch takes 1 s, and 30,000 rows take 1 min. */
const SECONDS_PER_ROW = 0.002;
const ADDING = {
  '1795380000001-add.js': migrationFile('Add1795380000001', ['ALTER TABLE services ADD COLUMN tier text']),
};
const SLOW = {
  '1795380000001-slow.js': migrationFile('Slow1795380000001', [
    'CREATE TABLE half_done (id int)',
    'SELECT pg_sleep(30) WHERE EXISTS (SELECT FROM services)',
  ]),
};

describe('api-server migrate: infrastructure failures', () => {
  let postgres: TestPostgres;
  const images: string[] = [];
  const own: TestPostgres[] = [];
  const image = (migrations: Record<string, string>) => {
    const folder = makeImage(migrations);
    images.push(folder);
    return folder;
  };
  const up = async (url: string, folder?: string, more: Record<string, string> = {}) => {
    const ended = await runRole(UP, { PCF_API__DATABASE__URL: url, ...more }, folder);
    return { code: ended.code, stderr: ended.stderr, report: parsed(ended.stdout) };
  };
  const addServices = (server: TestPostgres, url: string, count: number) =>
    server.query(
      `INSERT INTO services (id, name) SELECT gen_random_uuid(), 's' || n FROM generate_series(1, ${count}) n`,
      url,
    );
  const one = async (server: TestPostgres, url: string, sql: string) =>
    (await server.query<{ v: unknown }>(sql, url))[0]?.v;

  before(async () => {
    postgres = await sharedPostgres();
  });
  after(async () => {
    for (const folder of images) rmSync(folder, { recursive: true, force: true });
    for (const server of own) await removePostgres(server);
  });

  it('refuses PgBouncer in transaction mode before it changes anything, and accepts session mode', async function () {
    const url = await postgres.createDatabase();
    const bouncer = await PgBouncer.start(url, 'transaction');
    if (!bouncer) return this.skip();
    try {
      const { code, report } = await up(bouncer.url);
      assert.deepEqual([code, report.outcome, report.retry], [EXIT.config, 'refused', false]);
      assert.match(report.error ?? '', /through a pooler .*give migrations the address of PostgreSQL itself/);
      assert.equal(await one(postgres, url, "SELECT to_regclass('schema_migrations') AS v"), null);
    } finally {
      await bouncer.stop();
    }
    const sessionBouncer = await PgBouncer.start(url, 'session');
    try {
      assert.equal((await up(sessionBouncer!.url)).code, EXIT.ok);
    } finally {
      await sessionBouncer!.stop();
    }
  });

  it('refuses PgBouncer in transaction mode with server_round_robin and several idle server connections', async function () {
    const url = await postgres.createDatabase();
    const bouncer = await PgBouncer.start(url, 'transaction', 'server_round_robin = 1');
    if (!bouncer) return this.skip();
    try {
      for (const idle of [2, 3]) {
        const clients = Array.from({ length: idle }, () => new pg.Client({ connectionString: bouncer.url }));
        await Promise.all(clients.map((client) => client.connect()));
        await Promise.all(clients.map((client) => client.query('BEGIN')));
        await Promise.all(clients.map((client) => client.query('SELECT 1')));
        await Promise.all(clients.map((client) => client.query('COMMIT')));
        await Promise.all(clients.map((client) => client.end()));
        const { code, report } = await up(bouncer.url);
        assert.deepEqual([code, report.outcome], [EXIT.config, 'refused'], `with ${idle} connections`);
      }
    } finally {
      await bouncer.stop();
    }
  });

  it('exits with 75 and reports the lock holder when it cannot obtain a table lock', async () => {
    const url = await postgres.createDatabase();
    assert.equal((await up(url)).code, EXIT.ok);
    const holder = new pg.Client({ connectionString: url, application_name: 'a long report' });
    await holder.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT count(*) FROM services');
      const [{ pid }] = (await holder.query('SELECT pg_backend_pid() AS pid')).rows;
      const shortTimeouts = {
        PCF_API__MIGRATIONS__LOCK_TIMEOUT: '300ms',
        PCF_API__MIGRATIONS__LOCK_ATTEMPTS: '2',
      };
      const { code, report } = await up(url, image(ADDING), shortTimeouts);
      assert.deepEqual([code, report.outcome, report.retry], [EXIT.tempFail, 'failed', true]);
      assert.match(
        report.error ?? '',
        new RegExp(
          `^Add1795380000001: could not obtain lock on services; held by pid ${pid} \\(a long report, .*idle in transaction\\)`,
        ),
      );
      assert.deepEqual(
        [report.lockHolder?.lock, report.lockHolder?.pid, report.running],
        ['table', pid, 'Add1795380000001'],
      );
    } finally {
      await holder.end();
    }
    assert.equal((await up(url, image(ADDING))).code, EXIT.ok);
  });

  it('reports the transaction that CREATE INDEX CONCURRENTLY waits for, exits with 75 on SIGTERM, and the next run builds the index', async () => {
    const url = await postgres.createDatabase();
    assert.equal((await up(url)).code, EXIT.ok);
    const indexing = image({
      '1795380000001-i.js': `${migrationFile('Index1795380000001', ['CREATE INDEX CONCURRENTLY services_owner ON services (owner)'])}Index1795380000001.transaction = false;\n`,
    });
    const holder = new pg.Client({ connectionString: url, application_name: 'a long import' });
    await holder.connect();
    try {
      await holder.query('BEGIN');
      await holder.query("INSERT INTO services (id, name) VALUES (gen_random_uuid(), 'imported')");
      const [{ pid }] = (await holder.query('SELECT pg_backend_pid() AS pid')).rows;
      const run = spawnRole(UP, { PCF_API__DATABASE__URL: url }, indexing);
      while (!run.output.stderr.includes(`"lockHolder":{"pid":${pid},"application":"a long import"`)) {
        assert.equal(run.child.exitCode, null, run.output.stdout);
        await sleep(20);
      }
      run.child.kill('SIGTERM'); // Kubernetes sends it at the deadline of a Job
      const ended = await run.ended;
      const report = parsed(ended.stdout);
      assert.deepEqual([ended.code, report.retry, report.lockHolder?.pid], [EXIT.tempFail, true, pid]);
      assert.match(
        report.error ?? '',
        new RegExp(`^interrupted by SIGTERM.*; waiting for pid ${pid} \\(a long import`),
      );
    } finally {
      await holder.end();
    }
    const next = await up(url, indexing);
    assert.deepEqual([next.code, next.report.applied], [EXIT.ok, ['Index1795380000001']], next.report.error);
    const valid = "SELECT indisvalid AS v FROM pg_index WHERE indexrelid = 'services_owner'::regclass";
    assert.equal(await one(postgres, url, valid), true);
  });

  it('exits with 75 and reports the session of the run that holds the lock, as does migrate status', async () => {
    const url = await postgres.createDatabase();
    assert.equal((await up(url)).code, EXIT.ok);
    await addServices(postgres, url, 1);
    const slow = image(SLOW);
    const first = spawnRole(UP, { PCF_API__DATABASE__URL: url }, slow);
    while (!first.output.stderr.includes('migration starts')) await sleep(10);
    const second = await up(url, slow, { PCF_API__MIGRATIONS__RUNNER_WAIT: '100ms' });
    assert.deepEqual([second.code, second.report.retry], [EXIT.tempFail, true]);
    assert.match(
      second.report.error ?? '',
      /another migration run still holds the lock after 100 ms: pid \d+ \(pcf-api migrate .+, user postgres, from 127\.0\.0\.1, /,
    );
    const status = await runRole(['migrate', 'status', '--json'], { PCF_API__DATABASE__URL: url }, slow);
    assert.deepEqual(parsed(status.stdout).lockHolder?.pid, second.report.lockHolder?.pid);
    assert.equal(second.report.lockHolder?.lock, 'run');
    first.child.kill('SIGKILL');
    await first.ended;
  });

  it('migrate status reports rows, rate and remaining time of a running backfill', async () => {
    const url = await postgres.createDatabase();
    assert.equal((await up(url)).code, EXIT.ok);
    await addServices(postgres, url, 60_000);
    await postgres.query(paceRows(SECONDS_PER_ROW), url);
    const filling = image(FILLING);
    const run = spawnRole(UP, { PCF_API__DATABASE__URL: url }, filling);
    const rate = async () =>
      (await one(postgres, url, "SELECT to_regclass('schema_backfills') AS v")) &&
      one(postgres, url, 'SELECT coalesce(max(rows_per_second), 0) AS v FROM schema_backfills');
    while (!(await rate())) await sleep(10);
    const status = await runRole(['migrate', 'status'], { PCF_API__DATABASE__URL: url }, filling);
    assert.match(
      status.stdout,
      /backfill Fill1795380000001: \d+ of about \d+ rows, \d+ rows\/s, about \d+ s left\na run is in progress: pid/,
    );
    run.child.kill('SIGKILL');
    await run.ended;
  });

  it('exits with 75 when the database restarts during a migration, which is rolled back; the next run completes', async () => {
    const server = await startPostgres();
    own.push(server);
    const url = await server.createDatabase();
    assert.equal((await up(url)).code, EXIT.ok);
    await addServices(server, url, 1);
    const slow = image(SLOW);
    const run = spawnRole(UP, { PCF_API__DATABASE__URL: url }, slow);
    const sleeps =
      "SELECT count(*)::int AS v FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'";
    while (!(await one(server, url, sleeps))) await sleep(10);
    await server.stop();
    const ended = await run.ended;
    const report = parsed(ended.stdout);
    assert.deepEqual([ended.code, report.outcome, report.retry], [EXIT.tempFail, 'failed', true]);
    assert.match(
      report.error ?? '',
      /terminating connection due to administrator command|Connection terminated/,
    );
    await server.start();
    assert.equal(await one(server, url, "SELECT to_regclass('half_done') AS v"), null);
    await server.query('DELETE FROM services', url);
    assert.deepEqual((await up(url, slow)).report.applied, ['Slow1795380000001']);
  });

  it('exits with 75 after a failover while the replica is read-only; the backfill continues from its cursor after the promotion', async () => {
    const primary = await startPostgres();
    own.push(primary);
    const url = await primary.createDatabase();
    assert.equal((await up(url)).code, EXIT.ok);
    await addServices(primary, url, 30_000);
    await primary.query(paceRows(SECONDS_PER_ROW), url);
    const replica = await primary.startReplica();
    own.push(replica);
    const replicaUrl = replica.url(new URL(url).pathname.slice(1));
    const filling = image(FILLING);
    const run = spawnRole(UP, { PCF_API__DATABASE__URL: url }, filling);
    const rows =
      "SELECT coalesce((SELECT rows FROM schema_backfills), 0)::int AS v WHERE to_regclass('schema_backfills') IS NOT NULL";
    const doneBy = async (server: TestPostgres, at: string) =>
      Number((await one(server, at, rows).catch(() => 0)) ?? 0);
    while ((await doneBy(replica, replicaUrl)) === 0) await sleep(10);
    await primary.kill();
    const cut = await run.ended;
    assert.equal(cut.code, EXIT.tempFail, cut.stdout);

    const early = await up(replicaUrl, filling);
    assert.deepEqual([early.code, early.report.retry], [EXIT.tempFail, true]);
    assert.match(early.report.error ?? '', /read-only transaction/);
    const before = await doneBy(replica, replicaUrl);
    assert.ok(before > 0 && before < 30_000, `${before} rows were done before the failover`);

    await replica.query('SELECT pg_promote(true, 20)', replicaUrl);
    await replica.query(FULL_PACE, replicaUrl);
    const { code, report } = await up(replicaUrl, filling);
    assert.equal(code, EXIT.ok, report.error);
    assert.equal(report.backfill?.rows, 30_000, 'each row is updated once');
    assert.equal(
      await one(replica, replicaUrl, 'SELECT count(*)::int AS v FROM services WHERE owner IS NULL'),
      0,
    );
  });

  it('exits with 75 and rolls back when the disk is full; the next run with free space completes', async function () {
    const disk = mountSmallDisk('24m');
    if (!disk) return this.skip();
    const server = await startPostgres();
    own.push(server);
    const url = await server.createDatabase();
    try {
      assert.equal((await up(url)).code, EXIT.ok);
      await server.query(`CREATE TABLESPACE small LOCATION '${disk}'`, url);
      const big = image({
        '1795380000001-big.js': migrationFile('Big1795380000001', [
          'CREATE TABLE big (n bigint, text text) TABLESPACE small',
          "INSERT INTO big SELECT n, repeat('x', 500) FROM generate_series(1, 80000) n",
        ]),
      });
      const { code, report } = await up(url, big);
      assert.deepEqual([code, report.outcome, report.retry], [EXIT.tempFail, 'failed', true]);
      assert.match(report.error ?? '', /^Big1795380000001: .*No space left on device/);
      assert.equal(await one(server, url, "SELECT to_regclass('big') AS v"), null);
      execFileSync('mount', ['-o', 'remount,size=128m', disk]);
      assert.deepEqual((await up(url, big)).report.applied, ['Big1795380000001']);
    } finally {
      await server.stop();
      execFileSync('umount', [disk]);
      rmSync(disk, { recursive: true, force: true });
    }
  });

  it('exits with 75 after waiting for a free connection; the next run with a free connection completes', async () => {
    const url = await postgres.createDatabase();
    const { pathname } = new URL(url);
    const role = `limited_${pathname.slice(1)}`;
    await postgres.query(`CREATE ROLE ${role} LOGIN PASSWORD 'limited' CONNECTION LIMIT 2`, url);
    await postgres.query(`GRANT ALL ON SCHEMA public TO ${role}`, url);
    const limited = url.replace(/\/\/[^@]*@/, `//${role}:limited@`);
    const busy = [0, 1].map(() => new pg.Client({ connectionString: limited }));
    await Promise.all(busy.map((client) => client.connect()));
    const { code, report } = await up(limited, undefined, { PCF_API__MIGRATIONS__CONNECT_WAIT: '100ms' });
    await Promise.all(busy.map((client) => client.end()));
    assert.deepEqual([code, report.outcome, report.retry], [EXIT.tempFail, 'failed', true]);
    assert.match(report.error ?? '', /too many connections for role/);
    const ended = await up(limited);
    assert.equal(ended.code, EXIT.ok, ended.report.error);
  });
});

function parsed(stdout: string): MigrationReport {
  return migrationReportSchema.parse(JSON.parse(stdout));
}

/** Mounts a small tmpfs for the user of the server. Requires root and a container that permits mounts. */
function mountSmallDisk(size: string): string | undefined {
  const skipped = 'skipped: a small file system cannot be mounted here';
  if (process.getuid?.() !== 0) {
    console.warn(skipped);
    return undefined;
  }
  const folder = mkdtempSync(join(tmpdir(), 'pcf-small-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', folder], {
      stdio: 'ignore',
    });
  } catch {
    rmSync(folder, { recursive: true, force: true });
    console.warn(skipped);
    return undefined;
  }
  const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  chownSync(folder, id('-u'), id('-g'));
  return folder;
}
