import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { JOB_PAYLOADS } from '../../../api-server/jobs/payload-versions.js';
import { knownMigrations } from '../../../api-server/migrations/engine/known-migrations.js';
import {
  EXIT,
  imageDescriptionSchema,
  type MigrationReport,
  migrationReportSchema,
} from '../../../contract/image.js';
import { freePort, sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { type Ended, makeImage, migrationFile, runRole, spawnRole } from './api-process.js';

/** Names of the migrations in this build, oldest first. */
const KNOWN = (await knownMigrations()).map(({ name }) => name);
const NEWEST = KNOWN.at(-1) ?? '';
const UP = ['migrate', 'up', '--json'];

describe('api-server migrate', () => {
  let postgres: TestPostgres;
  let url: string;
  const images: string[] = [];

  const env = (more: Record<string, string> = {}) => ({ PCF_API__DATABASE__URL: url, ...more });
  const image = (migrations: Record<string, string>) => {
    const folder = makeImage(migrations);
    images.push(folder);
    return folder;
  };
  const tables = async () => {
    const rows = await postgres.query<{ name: string }>(
      "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
      url,
    );
    return rows.map(({ name }) => name);
  };
  /** Waits until a session of a migration runs a statement that contains this text. */
  const waitForStatement = async (text: string) => {
    const sql =
      "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'pcf-api migrate%' AND query LIKE $1 AND datname = current_database() AND state = 'active'";
    while ((await postgres.query(sql, url, [`%${text}%`])).length === 0) await sleep(20);
  };

  before(async () => {
    postgres = await sharedPostgres();
  });
  beforeEach(async () => {
    url = await postgres.createDatabase();
  });
  after(() => {
    for (const folder of images) rmSync(folder, { recursive: true, force: true });
  });

  it('applies pending migrations; a second run has nothing to do', async () => {
    const first = await runRole(UP, env());
    const { durationMs, ...report } = reportOf(first);
    assert.equal(first.code, EXIT.ok);
    assert.deepEqual(report, {
      outcome: 'done',
      current: NEWEST,
      applied: KNOWN,
      pending: [],
      backfills: [],
      contracts: [],
      jobs: JOB_PAYLOADS,
      phases: ['expand', 'backfill'],
    });
    assert.ok(durationMs > 0);
    assert.equal(first.terminationMessage, first.stdout.trim());
    const made = await tables();
    for (const table of ['deployments', 'schema_migrations', 'services'])
      assert.ok(made.includes(table), table);

    const second = reportOf(await runRole(UP, env()));
    assert.equal(second.outcome, 'nothing');
    assert.deepEqual([second.current, second.applied, second.pending], [NEWEST, [], []]);
  });

  it('migrate status reports pending migrations and changes nothing', async () => {
    const report = reportOf(await runRole(['migrate', 'status', '--json'], env()));
    assert.deepEqual([report.current, report.pending], [null, KNOWN]);
    assert.deepEqual(await tables(), []);
  });

  it('an image with an additional file applies and describes an additional migration', async () => {
    const newer = image({
      '1795380000003-add-tier.js': migrationFile('AddTier1795380000003', [
        'ALTER TABLE services ADD COLUMN tier text',
      ]),
      '1795380000003-add-tier.js.map': '{}',
    });
    assert.equal((await runRole(UP, env())).code, EXIT.ok);
    const report = reportOf(await runRole(UP, env(), newer));
    assert.deepEqual(report.applied, ['AddTier1795380000003']);

    const described = imageDescriptionSchema.parse(
      JSON.parse((await runRole(['describe', '--json'], {}, newer)).stdout),
    );
    const { checksum, ...newest } = described.migrations.at(-1)!;
    assert.deepEqual(newest, { name: 'AddTier1795380000003', phase: 'expand' });
    assert.match(checksum ?? '', /^s1:[0-9a-f]{32}$/);

    // The older image accepts a database that is ahead.
    const older = reportOf(await runRole(UP, env()));
    assert.deepEqual([older.outcome, older.current], ['nothing', 'AddTier1795380000003']);
  });

  it('refuses a migration without a phase, and reports its name', async () => {
    const broken = image({ '1795380000003-x.js': 'export class NoPhase1795380000003 { async up() {} }' });
    const { code, stderr } = await runRole(UP, env(), broken);
    assert.equal(code, EXIT.failure);
    assert.match(
      stderr,
      /1795380000003-x\.js: NoPhase1795380000003 must declare its phase: expand, backfill, contract/,
    );
  });

  it('refuses invalid settings with exit code 78, and reports the setting', async () => {
    const ended = await runRole(UP, env({ PCF_API__DATABASE__MAX_CONNECTIONS: 'many' }));
    const report = reportOf(ended);
    assert.equal(ended.code, EXIT.config);
    assert.equal(report.outcome, 'refused');
    assert.match(report.error ?? '', /^database\.max_connections: .*PCF_API__DATABASE__MAX_CONNECTIONS/);
    assert.equal(ended.terminationMessage, ended.stdout.trim());
  });

  it('a failed migration is rolled back and reported; earlier migrations stay applied', async () => {
    const broken = image({
      '1795380000003-broken.js': migrationFile('Broken1795380000003', [
        'CREATE TABLE half_done (id int)',
        'ALTER TABLE no_such_table ADD COLUMN x int',
      ]),
    });
    const ended = await runRole(UP, env(), broken);
    const { outcome, applied, pending, current, error } = reportOf(ended);
    assert.equal(ended.code, EXIT.failure);
    assert.deepEqual([outcome, current], ['failed', NEWEST]);
    assert.deepEqual(applied, KNOWN);
    assert.deepEqual(pending, ['Broken1795380000003']);
    assert.equal(error, 'Broken1795380000003: relation "no_such_table" does not exist');
    assert.equal(ended.terminationMessage, ended.stdout.trim());
    assert.ok(!(await tables()).includes('half_done'));
  });

  it('an unreachable database is a temporary failure, and the error contains no credentials', async () => {
    const unreachable = `postgresql://someone:hush-hush@127.0.0.1:${await freePort()}/pcf`;
    const wait = { PCF_API__MIGRATIONS__CONNECT_WAIT: '100ms' };
    const ended = await runRole(UP, { PCF_API__DATABASE__URL: unreachable, ...wait });
    assert.equal(ended.code, EXIT.tempFail);
    assert.match(reportOf(ended).error ?? '', /ECONNREFUSED/);
    assert.doesNotMatch(ended.stdout + ended.stderr + ended.terminationMessage, /hush/);
    const baseline = ['migrate', 'baseline', 'CreateServices1795370000001'];
    for (const command of [['schema', 'check'], baseline]) {
      const other = await runRole(command, { PCF_API__DATABASE__URL: unreachable, ...wait });
      assert.deepEqual([other.code, other.stdout], [EXIT.tempFail, ''], command.join(' '));
      assert.match(other.terminationMessage, /ECONNREFUSED/);
      assert.doesNotMatch(other.stderr + other.terminationMessage, /hush/);
    }
  });

  it('a wrong password is a temporary failure, because the Secret can change', async () => {
    const wrong = url.replace(/:[^:@]*@/, ':hush-hush@');
    const ended = await runRole(UP, { PCF_API__DATABASE__URL: wrong });
    assert.equal(ended.code, EXIT.tempFail);
    assert.match(reportOf(ended).error ?? '', /password authentication failed/);
    assert.doesNotMatch(ended.stdout + ended.stderr + ended.terminationMessage, /hush/);
  });

  it('a run waits for a concurrent run', async () => {
    const slow = image({
      '1795380000003-slow.js': migrationFile('Slow1795380000003', [
        'SELECT pg_sleep(1)',
        'CREATE TABLE slow (id int)',
      ]),
    });
    const ended = await Promise.all([runRole(UP, env(), slow), runRole(UP, env(), slow)]);
    assert.deepEqual(
      ended.map(({ code }) => code),
      [EXIT.ok, EXIT.ok],
    );
    assert.deepEqual(ended.map((one) => reportOf(one).outcome).sort(), ['done', 'nothing']);
    assert.ok(ended.some(({ stderr }) => stderr.includes('another migration run is in progress')));
  });

  it('stops waiting for another run after runner_wait, and exits with 75', async () => {
    const slow = image({
      '1795380000003-slow.js': migrationFile('Slow1795380000003', ['SELECT pg_sleep(20)']),
    });
    const first = spawnRole(UP, env(), slow);
    await waitForStatement('pg_sleep');
    const second = await runRole(UP, env({ PCF_API__MIGRATIONS__RUNNER_WAIT: '300ms' }), slow);
    first.child.kill('SIGKILL');
    assert.equal(second.code, EXIT.tempFail);
    assert.match(reportOf(second).error ?? '', /another migration run still holds the lock after 300 ms/);
    await first.ended;
  });

  it('a killed run leaves no partial migration, and the next run completes it', async () => {
    const slow = image({
      '1795380000003-slow.js': migrationFile('Slow1795380000003', [
        'CREATE TABLE half_done (id int)',
        'SELECT pg_sleep(60) WHERE EXISTS (SELECT FROM services)',
      ]),
    });
    assert.equal((await runRole(UP, env())).code, EXIT.ok);
    await postgres.query("INSERT INTO services (id, name) VALUES (gen_random_uuid(), 'slow')", url);
    const run = spawnRole(UP, env(), slow);
    await waitForStatement('pg_sleep');
    run.child.kill('SIGKILL');
    await run.ended;
    assert.ok(!(await tables()).includes('half_done'));

    await postgres.query('DELETE FROM services', url);
    const next = await runRole(UP, env(), slow); // waits until the server closes the first session
    assert.equal(next.code, EXIT.ok);
    assert.deepEqual(reportOf(next).applied, ['Slow1795380000003']);
    assert.ok(next.ms < 5_000, `took ${next.ms} ms`);
    assert.ok((await tables()).includes('half_done'));
  });

  it('writes a termination message on SIGTERM', async () => {
    const slow = image({
      '1795380000003-slow.js': migrationFile('Slow1795380000003', ['SELECT pg_sleep(60)']),
    });
    const run = spawnRole(UP, env(), slow);
    await waitForStatement('pg_sleep');
    run.child.kill('SIGTERM');
    const ended = await run.ended;
    assert.equal(ended.code, EXIT.tempFail);
    const report = migrationReportSchema.parse(JSON.parse(ended.terminationMessage));
    assert.match(report.error ?? '', /^interrupted by SIGTERM/);
  });

  it('aborts its lock request while traffic holds the table lock, and retries', async () => {
    const alter = image({
      '1795380000003-alter.js': migrationFile('Alter1795380000003', [
        'ALTER TABLE services ADD COLUMN tier text',
      ]),
    });
    assert.equal((await runRole(UP, env())).code, EXIT.ok);
    const traffic = new pg.Client({ connectionString: url });
    await traffic.connect();
    await traffic.query('BEGIN');
    await traffic.query('LOCK TABLE services IN ACCESS SHARE MODE');
    const run = spawnRole(UP, env({ PCF_API__MIGRATIONS__LOCK_TIMEOUT: '200ms' }), alter);
    while (!run.output.stderr.includes('will be retried')) await sleep(20);
    await traffic.query('COMMIT');
    await traffic.end();
    const ended = await run.ended;
    assert.equal(ended.code, EXIT.ok, ended.stderr);
    assert.deepEqual(reportOf(ended).applied, ['Alter1795380000003']);
  });

  it('exits with 75 if the report cannot be written to the termination log; the next run writes it', async () => {
    const nowhere = await runRole(UP, env({ PCF_TERMINATION_LOG: '/nowhere/termination-log' }));
    assert.deepEqual([nowhere.code, reportOf(nowhere).outcome], [EXIT.tempFail, 'done']);
    assert.match(nowhere.stderr, /cannot write \/nowhere\/termination-log/);
    const next = await runRole(UP, env());
    assert.deepEqual(
      [next.code, migrationReportSchema.parse(JSON.parse(next.terminationMessage)).outcome],
      [EXIT.ok, 'nothing'],
    );
  });

  it('truncates a long error to a termination message of valid JSON with at most 4,096 bytes', async () => {
    const raise = "SELECT repeat('é', 9000)::int";
    const broken = image({ '1795380000003-long.js': migrationFile('Long1795380000003', [raise]) });
    const { terminationMessage } = await runRole(UP, env(), broken);
    assert.ok(Buffer.byteLength(terminationMessage) <= 4_096);
    assert.equal(migrationReportSchema.parse(JSON.parse(terminationMessage)).outcome, 'failed');
  });
});

function reportOf({ stdout, stderr }: Ended): MigrationReport {
  assert.equal(stdout.trim().split('\n').length, 1, `one line of JSON expected: ${stdout} ${stderr}`);
  return migrationReportSchema.parse(JSON.parse(stdout));
}
