import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../../contract/image.js';
import { ApiProcess, migrationFile, runRole } from './api-process.js';
import { BACKFILL, FILL, reportOf, UP, useMigrations } from './migrations-under-test.js';

describe('api-server migrate: phases', () => {
  const under = useMigrations();

  it('refuses an expand migration with a destructive statement before it runs any of its statements', async () => {
    const bad = under.image({
      '1795380000001-bad.js': migrationFile('Bad1795380000001', [
        'CREATE TABLE before_it (id int)',
        'ALTER TABLE services DROP COLUMN owner',
      ]),
    });
    const ended = await runRole(UP, under.env(), bad);
    const report = reportOf(ended);
    assert.deepEqual([ended.code, report.outcome, report.retry], [EXIT.config, 'refused', false]);
    assert.match(report.error ?? '', /Bad1795380000001: drop-column: .*instead drop it in .*contract/);
    assert.equal(report.findings?.[0]?.rule, 'drop-column');
    assert.equal(await under.one("SELECT to_regclass('before_it') AS v"), null);
    assert.equal((await runRole(['migrate', 'lint'], {}, bad)).code, EXIT.failure);
    assert.equal((await runRole(['migrate', 'plan'], under.env(), bad)).code, EXIT.config);
  });

  it('checks SQL that a migration builds at run time before it is sent to the database', async () => {
    const name = 'Sly1795380000001';
    const sly = under.image({
      '1795380000001-sly.js': `export class ${name} { async up(runner) {
        await runner.query('CREATE TABLE sly (id int)');
        const [{ table }] = await runner.query("SELECT 'services' AS table");
        await runner.query('DROP TABLE ' + table + ' CASCADE');
      } }\n${name}.phase = 'expand';\n`,
    });
    const ended = await runRole(UP, under.env(), sly);
    assert.equal(ended.code, EXIT.config);
    assert.match(reportOf(ended).error ?? '', /drop: DROP TABLE services CASCADE/);
    assert.notEqual(await under.one("SELECT to_regclass('services') AS v"), null);
    assert.equal(await under.one("SELECT to_regclass('sly') AS v"), null);

    // The plan reports that the migration contains statements that are unknown before it runs.
    const plan = reportOf(await runRole(['migrate', 'plan', '--json'], under.env(), sly));
    assert.equal(plan.outcome, 'nothing');
    assert.deepEqual(
      plan.findings?.map(({ migration, rule }) => [migration, rule]),
      [[name, 'not-known-before-it-runs']],
    );
  });

  it('runs contract migrations only if the phase is given, and only after all earlier migrations', async () => {
    const both = under.image({
      [FILL]: BACKFILL,
      '1795380000002-drop.js': migrationFile(
        'Drop1795380000002',
        ['ALTER TABLE services DROP COLUMN repository'],
        'contract',
      ),
    });
    const early = await runRole([...UP, '--phase', 'contract'], under.env(), both);
    assert.equal(early.code, EXIT.config);
    assert.match(reportOf(early).error ?? '', /comes after FillOwner1795380000001, which is not applied/);

    assert.deepEqual(reportOf(await runRole(UP, under.env(), both)).pending, ['Drop1795380000002']);
    const last = reportOf(await runRole([...UP, '--phase', 'contract'], under.env(), both));
    assert.deepEqual([last.applied, last.pending], [['Drop1795380000002'], []]);
    const nothing = await runRole([...UP, '--detailed-exitcode'], under.env(), both);
    assert.equal(nothing.code, EXIT.nothing);
  });

  it('refuses a migration whose file was changed after it was applied, and reports its name', async () => {
    const file = '1795380000001-a.js';
    const text = (column: string) =>
      `export class A1795380000001 { async up(r) { await r.query('ALTER TABLE services ADD COLUMN ${column} text'); } }\nA1795380000001.phase = 'expand';\n`;
    assert.equal((await runRole(UP, under.env(), under.image({ [file]: text('x') }))).code, EXIT.ok);
    const ended = await runRole(UP, under.env(), under.image({ [file]: text('y') }));
    assert.equal(ended.code, EXIT.config);
    assert.match(reportOf(ended).error ?? '', /A1795380000001 was changed after it was applied/);
  });

  it('refuses two migrations with the same timestamp, and a file whose timestamp differs from its class', async () => {
    const twins = under.image({
      '1795380000001-a.js': migrationFile('A1795380000001', []),
      '1795380000001-b.js': migrationFile('B1795380000001', []),
    });
    assert.match((await runRole(UP, under.env(), twins)).stderr, /have the same timestamp/);
    const moved = under.image({ '1795380000009-a.js': migrationFile('A1795380000001', []) });
    assert.match((await runRole(UP, under.env(), moved)).stderr, /out of order/);
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
    const expanded = reportOf(await runRole(UP, under.env(), under.image(two)));
    assert.deepEqual([expanded.applied, expanded.contracts], [['Add1795380000002'], ['Drop1795380000001']]);

    const again = 'ALTER TABLE services ADD COLUMN IF NOT EXISTS repository text';
    const three = under.image({
      ...two,
      '1795380000003-again.js': migrationFile('Again1795380000003', [again]),
    });
    const refused = await runRole(UP, under.env(), three);
    assert.equal(refused.code, EXIT.config);
    assert.match(
      reportOf(refused).error ?? '',
      /^Again1795380000003: name-reused: .*instead use another name/,
    );

    const sly = under.image({
      ...two,
      '1795380000003-sly.js': `export class Sly1795380000003 { async up(runner) {
        const [{ column }] = await runner.query("SELECT 'repository' AS column");
        await runner.query('ALTER TABLE services ADD COLUMN IF NOT EXISTS ' + column + ' text');
      } }\nSly1795380000003.phase = 'expand';\n`,
    });
    assert.match(reportOf(await runRole(UP, under.env(), sly)).error ?? '', /^Sly1795380000003: name-reused/);

    assert.equal(
      (await runRole([...UP, '--phase', 'contract'], under.env(), under.image(two))).code,
      EXIT.ok,
    );
    assert.equal(
      (await runRole(UP, under.env(), three)).code,
      EXIT.ok,
      'the name is available after the contract',
    );
  });

  it('refuses a database with tables but no migration records, until migrate baseline creates them', async () => {
    await under.postgres.query('DROP TABLE schema_migrations', under.url);
    const ended = await runRole(UP, under.env());
    assert.equal(ended.code, EXIT.config);
    assert.match(reportOf(ended).error ?? '', /has the table services but no record of migrations/);
    const described = JSON.parse((await runRole(['describe', '--json'])).stdout);
    const newest = described.migrations.at(-1).name;
    assert.equal((await runRole(['migrate', 'baseline', newest], under.env())).code, EXIT.ok);
    assert.equal(reportOf(await runRole(UP, under.env())).outcome, 'nothing');
  });

  it('accepts a database that is ahead of the image, unless an applied migration requires a newer version', async () => {
    const newer = (requires: string) =>
      under.image({
        '1795380000001-n.js': `${migrationFile('N1795380000001', ['COMMENT ON TABLE services IS NULL'])}N1795380000001.requires = '${requires}';\n`,
      });
    assert.equal((await runRole(UP, under.env(), newer('0.0.1'))).code, EXIT.ok);
    const fine = reportOf(await runRole(UP, under.env()));
    assert.deepEqual([fine.outcome, fine.ahead], ['nothing', ['N1795380000001']]);
    await under.postgres.query(
      "UPDATE schema_migrations SET requires = '99.0.0' WHERE name LIKE 'N1795%'",
      under.url,
    );
    const old = await runRole(UP, under.env());
    assert.equal(old.code, EXIT.config);
    assert.match(
      reportOf(old).error ?? '',
      /the database is ahead: N1795380000001 .* needs version 99\.0\.0/,
    );
  });

  it('refuses a version above the upper bound of an applied migration, and its pods never become ready', async () => {
    const bounded = under.image({
      '1795380000001-n.js': `${migrationFile('N1795380000001', ['COMMENT ON TABLE services IS NULL'])}N1795380000001.until = '1.0.0';\n`,
    });
    const version = (text: string) => under.env({ PCF_VERSION: text });
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
    await under.postgres.query('ALTER TABLE schema_migrations DROP COLUMN until', under.url);
    await under.postgres.query("UPDATE schema_migrations SET checksum = repeat('0', 32)", under.url);
    await under.postgres.query(
      'CREATE TABLE schema_backfills (name text PRIMARY KEY, cursor text, rows bigint NOT NULL DEFAULT 0, cancelled boolean NOT NULL DEFAULT false, updated_at timestamptz NOT NULL DEFAULT now())',
      under.url,
    );
    await under.addServices(10);
    const report = reportOf(await runRole(UP, under.env(), under.image({ [FILL]: BACKFILL })));
    assert.deepEqual([report.outcome, report.backfill?.rows], ['done', 10], report.error);
    assert.equal(await under.one("SELECT bool_and(checksum LIKE 's1:%') AS v FROM schema_migrations"), true);
  });
});
