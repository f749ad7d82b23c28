import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { EXIT, type MigrationReport, migrationReportSchema } from '../../../contract/image.js';
import { FULL_PACE, paceRows } from '../../support/fixtures/paced-rows.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { ApiProcess, type Ended, makeImage, migrationFile, runRole, spawnRole } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const UP = ['migrate', 'up', '--json'];
const FILL = '1795380000001-fill.js';
const OWNER = 'FillOwner1795380000001';
const BACKFILL = `export class ${OWNER} {
  backfill = { table: 'services', key: 'id', set: "owner = 'platform'", where: 'owner IS NULL' };
  async up() {}
}
${OWNER}.phase = 'backfill';\n`;
/** The first batch takes 1 s, and 30,000 rows take 1 min. */
const SECONDS_PER_ROW = 0.002;
const CONCURRENT = `export class Index1795380000001 {
  async up(runner) { await runner.query('CREATE INDEX CONCURRENTLY services_owner ON services (owner)'); }
}
Index1795380000001.phase = 'expand';
Index1795380000001.transaction = false;\n`;

describe('api-server migrate: phases', () => {
  let postgres: TestPostgres;
  let url: string;
  const images: string[] = [];
  const env = (more: Record<string, string> = {}) => ({ PCF_API__DATABASE__URL: url, ...more });
  const image = (migrations: Record<string, string>) => {
    const folder = makeImage(migrations);
    images.push(folder);
    return folder;
  };
  const one = async (sql: string) => (await postgres.query<{ v: unknown }>(sql, url))[0]?.v;
  const addServices = (count: number) =>
    postgres.query(
      `INSERT INTO services (id, name) SELECT gen_random_uuid(), 's' || n FROM generate_series(1, ${count}) n`,
      url,
    );

  before(async () => {
    postgres = await sharedPostgres();
  });
  beforeEach(async () => {
    url = await migratedDatabase();
  });
  after(() => {
    for (const folder of images) rmSync(folder, { recursive: true, force: true });
  });

  it('refuses an expand migration with a destructive statement before it runs any of its statements', async () => {
    const bad = image({
      '1795380000001-bad.js': migrationFile('Bad1795380000001', [
        'CREATE TABLE before_it (id int)',
        'ALTER TABLE services DROP COLUMN owner',
      ]),
    });
    const ended = await runRole(UP, env(), bad);
    const report = reportOf(ended);
    assert.deepEqual([ended.code, report.outcome, report.retry], [EXIT.config, 'refused', false]);
    assert.match(report.error ?? '', /Bad1795380000001: drop-column: .*instead drop it in .*contract/);
    assert.equal(report.findings?.[0]?.rule, 'drop-column');
    assert.equal(await one("SELECT to_regclass('before_it') AS v"), null);
    assert.equal((await runRole(['migrate', 'lint'], {}, bad)).code, EXIT.failure);
    assert.equal((await runRole(['migrate', 'plan'], env(), bad)).code, EXIT.config);
  });

  it('checks SQL that a migration builds at run time before it is sent to the database', async () => {
    const name = 'Sly1795380000001';
    const sly = image({
      '1795380000001-sly.js': `export class ${name} { async up(runner) {
        await runner.query('CREATE TABLE sly (id int)');
        const [{ table }] = await runner.query("SELECT 'services' AS table");
        await runner.query('DROP TABLE ' + table + ' CASCADE');
      } }\n${name}.phase = 'expand';\n`,
    });
    const ended = await runRole(UP, env(), sly);
    assert.equal(ended.code, EXIT.config);
    assert.match(reportOf(ended).error ?? '', /drop: DROP TABLE services CASCADE/);
    assert.notEqual(await one("SELECT to_regclass('services') AS v"), null);
    assert.equal(await one("SELECT to_regclass('sly') AS v"), null);

    // The plan reports that the migration contains statements that are unknown before it runs.
    const plan = reportOf(await runRole(['migrate', 'plan', '--json'], env(), sly));
    assert.equal(plan.outcome, 'nothing');
    assert.deepEqual(
      plan.findings?.map(({ migration, rule }) => [migration, rule]),
      [[name, 'not-known-before-it-runs']],
    );
  });

  it('runs contract migrations only if the phase is given, and only after all earlier migrations', async () => {
    const both = image({
      [FILL]: BACKFILL,
      '1795380000002-drop.js': migrationFile(
        'Drop1795380000002',
        ['ALTER TABLE services DROP COLUMN repository'],
        'contract',
      ),
    });
    const early = await runRole([...UP, '--phase', 'contract'], env(), both);
    assert.equal(early.code, EXIT.config);
    assert.match(reportOf(early).error ?? '', /comes after FillOwner1795380000001, which is not applied/);

    assert.deepEqual(reportOf(await runRole(UP, env(), both)).pending, ['Drop1795380000002']);
    const last = reportOf(await runRole([...UP, '--phase', 'contract'], env(), both));
    assert.deepEqual([last.applied, last.pending], [['Drop1795380000002'], []]);
    const nothing = await runRole([...UP, '--detailed-exitcode'], env(), both);
    assert.equal(nothing.code, EXIT.nothing);
  });

  it('refuses a migration whose file was changed after it was applied, and reports its name', async () => {
    const file = '1795380000001-a.js';
    const text = (column: string) =>
      `export class A1795380000001 { async up(r) { await r.query('ALTER TABLE services ADD COLUMN ${column} text'); } }\nA1795380000001.phase = 'expand';\n`;
    assert.equal((await runRole(UP, env(), image({ [file]: text('x') }))).code, EXIT.ok);
    const ended = await runRole(UP, env(), image({ [file]: text('y') }));
    assert.equal(ended.code, EXIT.config);
    assert.match(reportOf(ended).error ?? '', /A1795380000001 was changed after it was applied/);
  });

  it('refuses two migrations with the same timestamp, and a file whose timestamp differs from its class', async () => {
    const twins = image({
      '1795380000001-a.js': migrationFile('A1795380000001', []),
      '1795380000001-b.js': migrationFile('B1795380000001', []),
    });
    assert.match((await runRole(UP, env(), twins)).stderr, /have the same timestamp/);
    const moved = image({ '1795380000009-a.js': migrationFile('A1795380000001', []) });
    assert.match((await runRole(UP, env(), moved)).stderr, /out of order/);
  });

  it('rebuilds an invalid index of a killed run, and does not rebuild a valid one', async () => {
    const indexed = image({ '1795380000001-i.js': CONCURRENT });
    await postgres.query('CREATE INDEX services_owner ON services (owner)', url);
    await postgres.query(
      "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'services_owner'::regclass",
      url,
    );
    const before = await one("SELECT 'services_owner'::regclass::oid AS v");
    assert.equal(reportOf(await runRole(UP, env(), indexed)).outcome, 'done');
    assert.equal(
      await one("SELECT indisvalid AS v FROM pg_index WHERE indexrelid = 'services_owner'::regclass"),
      true,
    );
    const rebuilt = await one("SELECT 'services_owner'::regclass::oid AS v");
    assert.notEqual(rebuilt, before);

    await postgres.query("DELETE FROM schema_migrations WHERE name LIKE 'Index%'", url);
    assert.equal(reportOf(await runRole(UP, env(), indexed)).outcome, 'done');
    assert.equal(await one("SELECT 'services_owner'::regclass::oid AS v"), rebuilt);
  });

  it('rebuilds an invalid index of a table with upper-case letters, and refuses another index with the same name', async () => {
    await postgres.query('CREATE TABLE "Teams" (id int, "Name" text)', url);
    await postgres.query('CREATE INDEX "Teams_Name" ON "Teams" ("Name")', url);
    await postgres.query(
      `UPDATE pg_index SET indisvalid = false WHERE indexrelid = '"Teams_Name"'::regclass`,
      url,
    );
    const index = (definition: string) =>
      image({
        '1795380000001-i.js': `${migrationFile('Index1795380000001', [`CREATE INDEX CONCURRENTLY IF NOT EXISTS "Teams_Name" ON ${definition}`])}Index1795380000001.transaction = false;\n`,
      });
    const requested = index(`"Teams" ("Name" DESC, lower("Name")) INCLUDE (id) WHERE "Name" <> ''`);
    assert.equal((await runRole(UP, env(), requested)).code, EXIT.ok);
    const valid = `SELECT indisvalid AS v FROM pg_index WHERE indexrelid = '"Teams_Name"'::regclass`;
    assert.equal(await one(valid), true);
    const deleteRecord = () => postgres.query("DELETE FROM schema_migrations WHERE name LIKE 'Index%'", url);
    await deleteRecord();
    assert.equal(
      (await runRole(UP, env(), requested)).code,
      EXIT.ok,
      'the existing index matches its definition in the catalog',
    );
    await deleteRecord();
    const others = [
      '"Teams" (id)',
      'services (owner)',
      // Each definition differs from the existing index in one part.
      `"Teams" ("Name" DESC, lower("Name")) INCLUDE (id) WHERE "Name" <> 'x'`,
      `"Teams" ("Name" DESC, upper("Name")) INCLUDE (id) WHERE "Name" <> ''`,
      `"Teams" ("Name" text_pattern_ops DESC, lower("Name")) INCLUDE (id) WHERE "Name" <> ''`,
      `"Teams" ("Name" COLLATE "C" DESC, lower("Name")) INCLUDE (id) WHERE "Name" <> ''`,
      `"Teams" ("Name" DESC NULLS LAST, lower("Name")) INCLUDE (id) WHERE "Name" <> ''`,
    ];
    for (const definition of others) {
      const refused = await runRole(UP, env(), index(definition));
      assert.equal(refused.code, EXIT.config, definition);
      assert.match(
        reportOf(refused).error ?? '',
        /there is another index "Teams_Name": CREATE INDEX .*another name/,
      );
    }
  });

  it('drops the invalid index of a killed REINDEX CONCURRENTLY', async () => {
    await postgres.query('CREATE INDEX deployments_newest_ccnew1 ON deployments (started_at)', url);
    await postgres.query(
      "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'deployments_newest_ccnew1'::regclass",
      url,
    );
    const reindex = image({
      '1795380000001-r.js': `${migrationFile('Reindex1795380000001', ['REINDEX INDEX CONCURRENTLY deployments_newest'])}Reindex1795380000001.transaction = false;\n`,
    });
    assert.equal((await runRole(UP, env(), reindex)).code, EXIT.ok);
    assert.equal(await one("SELECT to_regclass('deployments_newest_ccnew1') AS v"), null);
  });

  it('a killed backfill continues from its cursor and updates each row', async () => {
    const filling = image({ [FILL]: BACKFILL });
    await addServices(30_000);
    await postgres.query(paceRows(SECONDS_PER_ROW), url);
    const first = spawnRole(UP, env(), filling);
    while (!(await one("SELECT to_regclass('schema_backfills') AS v")) || !(await rows())) await sleep(10);
    first.child.kill('SIGKILL');
    const left = JSON.parse((await first.ended).terminationMessage) as MigrationReport;
    assert.deepEqual([left.outcome, left.running, left.retry], ['running', OWNER, true]);
    assert.match(left.error ?? '', /^killed while FillOwner1795380000001 ran/);
    const done = await rows();
    assert.ok(done < 30_000, `killed too late: ${done}`);

    const expand = reportOf(await runRole([...UP, '--phase', 'expand'], env(), filling));
    assert.deepEqual([expand.outcome, expand.backfill?.rows], ['nothing', done], 'the recorded progress');
    await postgres.query(FULL_PACE, url);
    const report = reportOf(await runRole(UP, env(), filling));
    assert.deepEqual([report.outcome, report.backfill?.rows], ['done', 30_000]);
    assert.equal(await one('SELECT count(*)::int AS v FROM services WHERE owner IS NULL'), 0);
    assert.equal(await rows(), 30_000, 'each row is updated once');
  });

  it('each later run reports the final progress of a backfill, even if it has nothing to do', async () => {
    const dropping = migrationFile(
      'Drop1795380000002',
      ['ALTER TABLE services DROP COLUMN tier'],
      'contract',
    );
    const both = image({ [FILL]: BACKFILL, '1795380000002-drop.js': dropping });
    await addServices(10);
    await postgres.query('ALTER TABLE services ADD COLUMN tier text', url);
    assert.equal(reportOf(await runRole(UP, env(), both)).backfill?.rows, 10);
    for (const phase of ['expand', 'backfill', 'contract']) {
      const { backfill, applied } = reportOf(await runRole([...UP, '--phase', phase], env(), both));
      assert.deepEqual(applied, phase === 'contract' ? ['Drop1795380000002'] : []);
      assert.deepEqual([backfill?.name, backfill?.rows, backfill?.secondsLeft], [OWNER, 10, 0], phase);
      assert.ok(backfill && backfill.total >= 10, phase);
    }
  });

  it('refuses a cancelled backfill until it is resumed', async () => {
    const filling = image({ [FILL]: BACKFILL });
    await addServices(10);
    assert.equal((await runRole(['migrate', 'cancel', OWNER], env(), filling)).code, EXIT.ok);
    const cancelled = await runRole(UP, env(), filling);
    assert.equal(cancelled.code, EXIT.config);
    assert.match(reportOf(cancelled).error ?? '', /was cancelled after 0 rows/);
    assert.equal((await runRole(['migrate', 'resume', OWNER], env(), filling)).code, EXIT.ok);
    assert.equal(reportOf(await runRole(UP, env(), filling)).backfill?.rows, 10);
  });

  it('a running backfill is cancelled after its batch, and updates the remaining rows when resumed', async () => {
    const filling = image({ [FILL]: BACKFILL });
    await addServices(30_000);
    await postgres.query(paceRows(SECONDS_PER_ROW), url);
    const run = spawnRole(UP, env(), filling);
    while (!(await one("SELECT to_regclass('schema_backfills') AS v")) || !(await rows())) await sleep(10);
    assert.equal((await runRole(['migrate', 'cancel', OWNER], env(), filling)).code, EXIT.ok);
    const ended = await run.ended;
    assert.equal(ended.code, EXIT.config, ended.stdout);
    const at = Number(/was cancelled after (\d+) rows/.exec(reportOf(ended).error ?? '')?.[1]);
    assert.ok(at > 0 && at < 30_000, `cancelled at ${at}`);
    assert.equal(await one('SELECT count(*)::int AS v FROM services WHERE owner IS NOT NULL'), at);

    await postgres.query(FULL_PACE, url);
    assert.equal((await runRole(['migrate', 'resume', OWNER], env(), filling)).code, EXIT.ok);
    const cursor = await one('SELECT cursor AS v FROM schema_backfills');
    await postgres.query('UPDATE services SET owner = NULL WHERE id = $1', url, [cursor]);
    const resumed = reportOf(await runRole(UP, env(), filling));
    // The next pass finds the row at the cursor again, so only this row is counted twice.
    assert.deepEqual([resumed.outcome, resumed.backfill?.rows], ['done', 30_001]);
    assert.equal(await one('SELECT count(*)::int AS v FROM services WHERE owner IS NULL'), 0);
  });

  it('migrate cancel and resume refuse a migration that is not a backfill', async () => {
    const adding = image({ '1795380000001-a.js': migrationFile('A1795380000001', []) });
    for (const action of ['cancel', 'resume']) {
      const ended = await runRole(['migrate', action, 'A1795380000001'], env(), adding);
      assert.equal(ended.code, EXIT.config);
      assert.match(ended.stderr, /A1795380000001 \(expand\) is not a backfill/);
    }
    assert.equal(await one("SELECT to_regclass('schema_backfills') AS v"), null);
  });

  it('a backfill continues after lock timeouts on rows: only attempts without progress count', async () => {
    const filling = image({ [FILL]: BACKFILL });
    await addServices(2_500);
    const holders = await Promise.all([600, 2_000].map((row) => lockRow(row)));
    const shortTimeouts = {
      PCF_API__MIGRATIONS__LOCK_TIMEOUT: '100ms',
      PCF_API__MIGRATIONS__LOCK_ATTEMPTS: '2',
    };
    const run = spawnRole(UP, env(shortTimeouts), filling);
    for (const [index, holder] of holders.entries()) {
      while (run.output.stderr.split('will be retried').length < index + 2) {
        assert.equal(run.child.exitCode, null, run.output.stdout);
        await sleep(20);
      }
      await holder.end();
    }
    const report = reportOf(await run.ended);
    assert.deepEqual([report.outcome, report.backfill?.rows], ['done', 2_500], report.error);
  });

  it('refuses an expand migration that reuses a name which a pending contract drops, and applies others', async () => {
    const two = {
      '1795380000001-drop.js': migrationFile(
        'Drop1795380000001',
        ['ALTER TABLE services DROP COLUMN repository'],
        'contract',
      ),
      '1795380000002-add.js': migrationFile('Add1795380000002', [
        'ALTER TABLE services ADD COLUMN tier text',
      ]),
    };
    const expanded = reportOf(await runRole(UP, env(), image(two)));
    assert.deepEqual([expanded.applied, expanded.contracts], [['Add1795380000002'], ['Drop1795380000001']]);

    const again = 'ALTER TABLE services ADD COLUMN IF NOT EXISTS repository text';
    const three = image({ ...two, '1795380000003-again.js': migrationFile('Again1795380000003', [again]) });
    const refused = await runRole(UP, env(), three);
    assert.equal(refused.code, EXIT.config);
    assert.match(
      reportOf(refused).error ?? '',
      /^Again1795380000003: name-reused: .*instead use another name/,
    );

    const sly = image({
      ...two,
      '1795380000003-sly.js': `export class Sly1795380000003 { async up(runner) {
        const [{ column }] = await runner.query("SELECT 'repository' AS column");
        await runner.query('ALTER TABLE services ADD COLUMN IF NOT EXISTS ' + column + ' text');
      } }\nSly1795380000003.phase = 'expand';\n`,
    });
    assert.match(reportOf(await runRole(UP, env(), sly)).error ?? '', /^Sly1795380000003: name-reused/);

    assert.equal((await runRole([...UP, '--phase', 'contract'], env(), image(two))).code, EXIT.ok);
    assert.equal((await runRole(UP, env(), three)).code, EXIT.ok, 'the name is available after the contract');
  });

  it('refuses a database with tables but no migration records, until migrate baseline creates them', async () => {
    await postgres.query('DROP TABLE schema_migrations', url);
    const ended = await runRole(UP, env());
    assert.equal(ended.code, EXIT.config);
    assert.match(reportOf(ended).error ?? '', /has the table services but no record of migrations/);
    const described = JSON.parse((await runRole(['describe', '--json'])).stdout);
    const newest = described.migrations.at(-1).name;
    assert.equal((await runRole(['migrate', 'baseline', newest], env())).code, EXIT.ok);
    assert.equal(reportOf(await runRole(UP, env())).outcome, 'nothing');
  });

  it('accepts a database that is ahead of the image, unless an applied migration requires a newer version', async () => {
    const newer = (requires: string) =>
      image({
        '1795380000001-n.js': `${migrationFile('N1795380000001', ['COMMENT ON TABLE services IS NULL'])}N1795380000001.requires = '${requires}';\n`,
      });
    assert.equal((await runRole(UP, env(), newer('0.0.1'))).code, EXIT.ok);
    const fine = reportOf(await runRole(UP, env()));
    assert.deepEqual([fine.outcome, fine.ahead], ['nothing', ['N1795380000001']]);
    await postgres.query("UPDATE schema_migrations SET requires = '99.0.0' WHERE name LIKE 'N1795%'", url);
    const old = await runRole(UP, env());
    assert.equal(old.code, EXIT.config);
    assert.match(
      reportOf(old).error ?? '',
      /the database is ahead: N1795380000001 .* needs version 99\.0\.0/,
    );
  });

  it('refuses a version above the upper bound of an applied migration, and its pods never become ready', async () => {
    const bounded = image({
      '1795380000001-n.js': `${migrationFile('N1795380000001', ['COMMENT ON TABLE services IS NULL'])}N1795380000001.until = '1.0.0';\n`,
    });
    const version = (text: string) => env({ PCF_VERSION: text });
    const tooNew = await runRole(UP, version('1.0.1'), bounded);
    assert.equal(tooNew.code, EXIT.config);
    assert.match(
      reportOf(tooNew).error ?? '',
      /N1795380000001 is for versions any to 1\.0\.0.* this image is 1\.0\.1/,
    );
    assert.equal((await runRole(UP, version('1.0.0'), bounded)).code, EXIT.ok);

    const reason = /N1795380000001 was applied, which supports versions up to 1\.0\.0; this image is 2\.0\.0/;
    const plan = await runRole(['migrate', 'plan', '--json'], version('2.0.0'));
    assert.deepEqual([plan.code, reason.test(reportOf(plan).error ?? '')], [EXIT.config, true]);
    const api = await ApiProcess.start(version('2.0.0'));
    try {
      const body = async () => (await (await api.fetch('/health/ready')).text()) as string;
      while (!(await body()).includes('N1795380000001')) await sleep(20);
      assert.match(await body(), reason);
      assert.equal((await api.fetch('/health/ready')).status, 503);
    } finally {
      await api.kill();
    }
  });

  it('upgrades the records of an earlier runner: adds columns, and replaces checksums of the earlier format', async () => {
    await postgres.query('ALTER TABLE schema_migrations DROP COLUMN until', url);
    await postgres.query("UPDATE schema_migrations SET checksum = repeat('0', 32)", url);
    await postgres.query(
      'CREATE TABLE schema_backfills (name text PRIMARY KEY, cursor text, rows bigint NOT NULL DEFAULT 0, cancelled boolean NOT NULL DEFAULT false, updated_at timestamptz NOT NULL DEFAULT now())',
      url,
    );
    await addServices(10);
    const report = reportOf(await runRole(UP, env(), image({ [FILL]: BACKFILL })));
    assert.deepEqual([report.outcome, report.backfill?.rows], ['done', 10], report.error);
    assert.equal(await one("SELECT bool_and(checksum LIKE 's1:%') AS v FROM schema_migrations"), true);
  });

  /** Locks a row in a transaction. `place` is its position in the order of the backfill. */
  async function lockRow(place: number): Promise<pg.Client> {
    const holder = new pg.Client({ connectionString: url });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query(
      'SELECT FROM services WHERE id = (SELECT id FROM services ORDER BY id OFFSET $1 LIMIT 1) FOR UPDATE',
      [place],
    );
    return holder;
  }

  async function rows(): Promise<number> {
    return Number(await one('SELECT coalesce(sum(rows), 0)::int AS v FROM schema_backfills'));
  }
});

function reportOf({ stdout, stderr }: Ended): MigrationReport {
  assert.equal(stdout.trim().split('\n').length, 1, `one line of JSON expected: ${stdout} ${stderr}`);
  return migrationReportSchema.parse(JSON.parse(stdout));
}
