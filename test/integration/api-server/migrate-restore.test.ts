import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import type { QueryRunner } from 'typeorm';
import type { KnownMigration } from '../../../api-server/migrations/engine/known-migrations.js';
import { migrationPlan } from '../../../api-server/migrations/engine/runner.js';
import { migratePurge, migrateRestore } from '../../../api-server/migrations/reversible/restore.js';
import { type Catalog, readCatalog } from '../../../api-server/migrations/verify/catalog.js';
import {
  EXIT,
  type MigrationPhase,
  type MigrationReport,
  migrationReportSchema,
} from '../../../contract/image.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { migrationFile, runRole } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';
import {
  expandDatabase,
  log,
  migrationsOf,
  restorableImage,
  runUp,
  SPLIT,
  settingsOf,
  TABLE,
} from './restore-under-test.js';

const HOOK = pathToFileURL(join(import.meta.dirname, '../../support/programs/kill-at-commit.js')).href;
/** Columns, tables, views, routines and triggers of version 1 that contract drops. */
const STATE = `SELECT
  (SELECT array_agg(attname::text ORDER BY attname) FROM pg_attribute WHERE attrelid = 'services'::regclass AND attnum > 0
     AND NOT attisdropped AND (attname IN ('owner', 'repository') OR attname LIKE 'pcf_hidden%')) AS columns,
  array_remove(ARRAY[to_regclass('notes')::text, to_regclass('note_texts')::text, to_regproc('services_sync')::text], NULL) AS objects,
  (SELECT array_agg(tgname::text ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 'services'::regclass AND NOT tgisinternal) AS triggers,
  (SELECT count(*)::int FROM pg_namespace WHERE nspname LIKE 'pcf_hidden%') AS schemas,
  (SELECT count(*)::int FROM pg_class WHERE relkind = 'S' AND relname LIKE 'pcf_hidden%') AS counters,
  (SELECT count(*)::int FROM schema_migrations WHERE phase = 'contract') AS contracts`;
const OLD_SCHEMA = {
  columns: ['owner', 'repository'],
  objects: ['notes', 'note_texts', 'services_sync'],
  triggers: ['services_sync'],
  schemas: 0,
  counters: 0,
  contracts: 0,
};
const PURGED = { columns: null, objects: [], triggers: null, schemas: 0, counters: 0, contracts: 2 };
const HIDDEN = {
  columns: ['pcf_hidden_1795380000003_1', 'pcf_hidden_1795380000003_2'],
  objects: [],
  triggers: ['~pcf_hidden_1795380000003_3'],
  schemas: 2,
  counters: 1,
  contracts: 2,
};

describe('api-server migrate: restore after contract', () => {
  let postgres: TestPostgres;
  let image: string;
  let known: KnownMigration[];
  let expanded: string;
  const never = new Promise<never>(() => {});
  const images: string[] = [];

  before(async () => {
    postgres = await sharedPostgres();
    image = restorableImage();
    images.push(image);
    known = await migrationsOf(image);
    expanded = await migratedDatabase();
    await expandDatabase(postgres, expanded, known);
  });
  after(() => {
    for (const folder of images) rmSync(folder, { recursive: true, force: true });
  });

  it('an old version reads and writes every row after contract, writes of the new version, and restore', async () => {
    const url = await copyOf(expanded);
    const contract = await up(url, ['contract']);
    assert.deepEqual(
      contract.hidden?.map(({ migration }) => migration),
      [SPLIT, TABLE],
    );
    assert.equal(contract.irreversible, undefined);
    assert.deepEqual(await stateOf(url), HIDDEN);

    const rows = await postgres.query<{ id: string; name: string }>(
      'SELECT id, name FROM services ORDER BY name',
      url,
    );
    const model = new Map(
      (
        await postgres.query<{ id: string; owner: string; repository: string }>(
          'SELECT id, owner, repository FROM services',
          expanded,
        )
      ).map(({ id, owner, repository }) => [id, { owner, repository }]),
    );
    // Rows without a change of these columns retain the text after the second "#", which the expression can't compute.
    const [renamed, moved, touched, removed] = rows.map(({ id }) => id) as [string, string, string, string];
    await postgres.query("UPDATE services SET team = 'new team' WHERE id = $1", url, [renamed]);
    await postgres.query("UPDATE services SET url = 'new', branch = 'b' WHERE id = $1", url, [moved]);
    await postgres.query("UPDATE services SET name = 'touched' WHERE id = $1", url, [touched]);
    await postgres.query('DELETE FROM services WHERE id = $1', url, [removed]);
    const [added] = await postgres.query<{ id: string }>(
      "INSERT INTO services (id, name, team, url, branch) VALUES (gen_random_uuid(), 'added', 't', 'u', 'main') RETURNING id",
      url,
    );
    model.set(renamed, { ...model.get(renamed)!, owner: 'new team' });
    model.set(moved, { ...model.get(moved)!, repository: 'new#b' });
    model.delete(removed);
    model.set(added!.id, { owner: 't', repository: 'u#main' });

    const restored = await restore(url, [SPLIT, TABLE]);
    assert.deepEqual(restored.restored, [TABLE, SPLIT]);
    assert.deepEqual(restored.contracts, [SPLIT, TABLE], 'contract is pending again');
    assert.deepEqual(await stateOf(url), OLD_SCHEMA);
    const found = await postgres.query<{ id: string; owner: string; repository: string }>(
      'SELECT id, owner, repository FROM services',
      url,
    );
    assert.deepEqual(new Map(found.map(({ id, owner, repository }) => [id, { owner, repository }])), model);
    assert.deepEqual(await postgres.query('SELECT note FROM note_texts', url), [{ note: 'kept' }]);
    // The trigger of expand is back: what the old version writes is valid for the new version.
    const [both] = await postgres.query(
      "INSERT INTO services (id, name, owner, repository) VALUES (gen_random_uuid(), 'old', 'o', 'x#y') RETURNING team, url, branch",
      url,
    );
    assert.deepEqual(both, { team: 'o', url: 'x', branch: 'y' });

    assert.equal(
      (await restore(url, [SPLIT, TABLE])).outcome,
      'nothing',
      'a repeated restore has nothing to do',
    );
    const again = await up(url, ['contract']);
    assert.deepEqual([again.applied, again.hidden?.length], [[SPLIT, TABLE], 2]);
    assert.deepEqual((await purge(url, true)).purged, [SPLIT, TABLE]);
    assert.deepEqual(await stateOf(url), PURGED);
    const refused = await restore(url, [SPLIT]);
    assert.equal(refused.outcome, 'refused');
    assert.match(
      refused.error ?? '',
      /DropColumns1795380000003 can't be restored: what it dropped was purged at 2/,
    );
  });

  it('purge waits for the end of the window, and verify ignores what is hidden', async () => {
    const url = await copyOf(expanded);
    await up(url, ['contract']);
    assert.equal((await purge(url)).outcome, 'nothing');
    assert.deepEqual(await stateOf(url), HIDDEN);
    const verified = await runRole(['migrate', 'verify'], { PCF_API__DATABASE__URL: url }, image);
    assert.doesNotMatch(verified.stdout, /pcf_hidden|schema_hidden/);
    await postgres.query(
      "UPDATE schema_hidden SET until = now() - interval '1 s' WHERE migration = $1",
      url,
      [SPLIT],
    );
    assert.deepEqual((await purge(url)).purged, [SPLIT]);
  });

  it('a value that a hidden column can not store becomes NULL, is counted, and does not fail the write', async () => {
    const url = await copyOf(expanded);
    const narrow = await imageOf({
      '1795380000005-a.js': migrationFile('A1795380000005', [
        'CREATE TABLE amounts (id int PRIMARY KEY, old smallint, new bigint)',
      ]),
      '1795380000006-b.js': `export class B1795380000006 {
        backfill = { table: 'amounts', key: 'id', set: 'new = old::bigint', where: 'new IS NULL AND old IS NOT NULL' }; async up() {} }
        B1795380000006.phase = 'backfill';\n`,
      '1795380000007-c.js': migrationFile(
        'C1795380000007',
        ['ALTER TABLE amounts DROP COLUMN old'],
        'contract',
      ),
    });
    await up(url, ['expand', 'backfill', 'contract'], narrow);
    await postgres.query('INSERT INTO amounts (id, new) VALUES (1, 7), (2, 70000)', url);
    await restore(url, [], narrow);
    assert.deepEqual(await postgres.query('SELECT id, old FROM amounts ORDER BY id', url), [
      { id: 1, old: 7 },
      { id: 2, old: null },
    ]);
    await up(url, ['contract'], narrow);
    await postgres.query('INSERT INTO amounts (id, new) VALUES (3, 80000)', url);
    const planned = await migrationPlan(await settingsOf(url), narrow, log);
    assert.equal(planned.report.hidden?.find(({ migration }) => migration.startsWith('C'))?.lost, 1);
  });

  it('an unrelated update retains a hidden value that the expression can not compute', async () => {
    const url = await copyOf(expanded);
    const image = await imageOf({
      '1795380000005-a.js': migrationFile('A1795380000005', [
        'CREATE TABLE shares (id int PRIMARY KEY, old int, parts int, note text)',
      ]),
      '1795380000007-c.js': `export class C1795380000007 {
        restore = { shares: { old: '100 / parts' } };
        async up(r) { await r.query('ALTER TABLE shares DROP COLUMN old'); } }
        C1795380000007.phase = 'contract';\n`,
    });
    await up(url, ['expand', 'backfill'], image);
    await postgres.query("INSERT INTO shares VALUES (1, 7, 0, 'a'), (2, 7, 0, 'a')", url);
    await up(url, ['contract'], image);
    await postgres.query("UPDATE shares SET note = 'b'", url);
    await postgres.query('UPDATE shares SET parts = 50 WHERE id = 2', url);
    await restore(url, [], image);
    assert.deepEqual(await postgres.query('SELECT id, old FROM shares ORDER BY id', url), [
      { id: 1, old: 7 },
      { id: 2, old: 2 },
    ]);
  });

  it('a contract that can not be reversed is reported by the plan with the reason, and drops as before', async () => {
    const url = await copyOf(expanded);
    const mixed = await imageOf({
      '1795380000005-a.js': migrationFile('A1795380000005', [
        'CREATE TABLE parents (id int PRIMARY KEY, code int NOT NULL)',
      ]),
      '1795380000006-b.js': migrationFile(
        'B1795380000006',
        ['ALTER TABLE parents DROP COLUMN code'],
        'contract',
      ),
      '1795380000007-c.js': migrationFile(
        'C1795380000007',
        ["DELETE FROM services WHERE name = 's1'"],
        'contract',
      ),
    });
    await up(url, ['expand', 'backfill'], mixed);
    const { report: plan } = await migrationPlan(await settingsOf(url), mixed, log, ['contract']);
    assert.deepEqual(
      plan.irreversible?.map(({ migration }) => migration),
      ['B1795380000006', 'C1795380000007'],
    );
    assert.match(
      plan.irreversible?.[0]?.reason ?? '',
      /code is NOT NULL without a default.*declare `restore`/,
    );
    assert.match(plan.irreversible?.[1]?.reason ?? '', /^DELETE FROM services WHERE name = 's1': only drops/);
    const contract = await up(url, ['contract'], mixed);
    assert.deepEqual(contract.irreversible, plan.irreversible);
    const refused = await restore(url, ['B1795380000006'], mixed);
    assert.match(
      refused.error ?? '',
      /B1795380000006 can't be restored: it ran without a window, or it is irreversible/,
    );
    const restored = await restore(url, [SPLIT, TABLE], mixed);
    assert.deepEqual(restored.restored, [TABLE, SPLIT], 'the others can be restored');
  });

  it('each kind of change is restored to the same catalog, with constraints that are not validated, and purged', async () => {
    const url = await copyOf(expanded);
    const kinds = await imageOf({
      '1795380000005-a.js': migrationFile('A1795380000005', [
        'CREATE TYPE "Mood" AS ENUM (\'ok\')',
        'CREATE DOMAIN amount AS int',
        'CREATE SEQUENCE numbers',
        `CREATE TABLE "Kinds" (id int PRIMARY KEY, checked int CONSTRAINT positive CHECK (checked > 0), parent int
           CONSTRAINT parent REFERENCES "Kinds" (id), "Def" int DEFAULT 7, narrow int CONSTRAINT given CHECK (narrow IS NOT NULL))`,
        'CREATE INDEX kinds_checked ON "Kinds" (checked)',
        'CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM "Kinds"',
        'CREATE FUNCTION twice(x int, OUT y int) LANGUAGE sql AS $$ SELECT 2 * x $$',
        'CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$',
        'CREATE TRIGGER "No" BEFORE UPDATE OF "Def" ON "Kinds" FOR EACH ROW WHEN (NEW."Def" > 1) EXECUTE FUNCTION noop()',
        'ALTER TABLE "Kinds" DISABLE TRIGGER "No"',
      ]),
      '1795380000006-b.js': migrationFile(
        'B1795380000006',
        [
          'DROP MATERIALIZED VIEW totals',
          'ALTER TABLE "Kinds" ALTER narrow SET NOT NULL',
          'ALTER TABLE "Kinds" DROP CONSTRAINT positive, DROP CONSTRAINT parent, DROP CONSTRAINT given, ALTER "Def" DROP DEFAULT',
          'DROP TRIGGER "No" ON "Kinds"; DROP FUNCTION noop',
          'DROP FUNCTION twice(int); DROP DOMAIN amount; DROP TYPE "Mood"; DROP SEQUENCE numbers',
        ],
        'contract',
      ),
      '1795380000007-c.js': `${migrationFile('C1795380000007', ['DROP INDEX CONCURRENTLY kinds_checked'], 'contract')}C1795380000007.transaction = false;\n`,
    });
    await up(url, ['expand', 'backfill'], kinds);
    const before = await catalogOf(url);
    const contract = await up(url, ['contract'], kinds);
    assert.equal(contract.irreversible, undefined);
    const hidden = await catalogOf(url);
    for (const name of [
      'index kinds_checked',
      'trigger Kinds.No',
      'function twice(integer)',
      'type Mood',
      'view totals',
    ])
      assert.deepEqual([before.has(name), hidden.has(name)], [true, false], name);
    await postgres.query('INSERT INTO "Kinds" (id, checked, parent, narrow) VALUES (1, -1, 99, 1)', url);
    await restore(url, [], kinds);
    const unvalidated = new Map(
      [...before].map(([name, definition]) => [
        name,
        name.startsWith('constraint Kinds.') && !name.endsWith('_pkey')
          ? `${definition} NOT VALID`
          : definition,
      ]),
    );
    assert.deepEqual(await catalogOf(url), unvalidated);
    assert.deepEqual(await postgres.query("SELECT twice(4) AS y, nextval('numbers')::int AS n", url), [
      { y: 8, n: 1 },
    ]);
    await up(url, ['contract'], kinds);
    await purge(url, true);
    assert.deepEqual(await catalogOf(url), hidden);
    const [left] = await postgres.query(
      "SELECT count(*)::int AS count FROM pg_namespace WHERE nspname LIKE 'pcf_hidden%'",
      url,
    );
    assert.deepEqual(left, { count: 0 });
  });

  it('does not hide a published column, which subscribers would not find, unless the publication has a list of columns without it', async () => {
    const url = await copyOf(expanded);
    const planned = async () =>
      (await migrationPlan(await settingsOf(url), known, log, ['contract'])).report.irreversible;
    for (const published of ['ALL TABLES', 'TABLE services', 'TABLES IN SCHEMA public']) {
      await postgres.query(`CREATE PUBLICATION feed FOR ${published}`, url);
      const [{ migration, reason } = { migration: '', reason: '' }] = (await planned()) ?? [];
      assert.equal(migration, SPLIT, published);
      assert.match(reason, /column public\.services\.owner is published by feed: subscribers/);
      await postgres.query('DROP PUBLICATION feed', url);
    }
    await postgres.query('CREATE PUBLICATION feed FOR TABLE services (id, team, url, branch)', url);
    assert.equal(await planned(), undefined);
  });

  it('refuses a restore if a newer object has the name of a hidden one, and changes nothing', async () => {
    const url = await copyOf(expanded);
    await up(url, ['contract']);
    await postgres.query('ALTER TABLE services ADD COLUMN owner int', url);
    const refused = await restore(url);
    assert.equal(refused.outcome, 'refused');
    assert.match(
      refused.error ?? '',
      /a newer object has the name of a hidden one: column "owner" of relation "services" already exists/,
    );
    await postgres.query('ALTER TABLE services DROP COLUMN owner', url);
    assert.deepEqual(
      (await restore(url)).restored,
      [SPLIT],
      'the transaction of the newer migration was committed',
    );
  });

  it('refuses a later contract that drops a column which an open window reads, and runs it after the purge', async () => {
    const url = await copyOf(expanded);
    await up(url, ['contract']);
    const later = await imageOf({
      '1795380000005-a.js': migrationFile(
        'A1795380000005',
        ['ALTER TABLE services DROP COLUMN branch'],
        'contract',
      ),
    });
    const refused = await runUp(url, later, ['contract']);
    assert.equal(refused.outcome, 'refused');
    assert.match(
      refused.error ?? '',
      /A1795380000005 drops column services.branch, from which DropColumns1795380000003 can be restored until 2/,
    );
    await purge(url, true);
    assert.deepEqual((await up(url, ['contract'], later)).applied, ['A1795380000005']);
    assert.deepEqual((await purge(url, true)).purged, ['A1795380000005']);

    // Together in one image, the earlier one is irreversible, and both run.
    const both = await copyOf(expanded);
    const report = await up(both, ['contract'], later);
    assert.match(report.irreversible?.[0]?.reason ?? '', /A1795380000005 drops services.branch, from which/);
    assert.deepEqual(report.applied, [SPLIT, TABLE, 'A1795380000005']);
  });

  it('a column of a table that a newer contract hides is purged, and restored, with the table', async () => {
    const url = await copyOf(expanded);
    const wide = {
      '1795380000005-a.js': migrationFile('A1795380000005', [
        'CREATE TABLE wide (id int PRIMARY KEY, a int, b int)',
      ]),
      '1795380000006-b.js': `export class B1795380000006 {
        restore = { wide: { a: 'b + 1' } }; async up(r) { await r.query('ALTER TABLE wide DROP COLUMN a'); } }
        B1795380000006.phase = 'contract';\n`,
    };
    await up(url, ['expand', 'backfill', 'contract'], await imageOf(wide));
    await postgres.query('INSERT INTO wide (id, b) VALUES (1, 1)', url);
    const newer = await imageOf({
      ...wide,
      '1795380000007-c.js': migrationFile('C1795380000007', ['DROP TABLE wide'], 'contract'),
    });
    await up(url, ['contract'], newer);
    assert.deepEqual((await restore(url, ['B1795380000006'], newer)).restored, [
      'C1795380000007',
      'B1795380000006',
    ]);
    assert.deepEqual(await postgres.query('SELECT id, a, b FROM wide', url), [{ id: 1, a: 2, b: 1 }]);
    await up(url, ['contract'], newer);
    assert.deepEqual((await purge(url, true)).purged?.length, 4);
    const [left] = await postgres.query(
      "SELECT count(*)::int AS count FROM pg_class WHERE relname = 'wide' OR relname LIKE 'pcf_hidden%'",
      url,
    );
    assert.deepEqual(left, { count: 0 });
  });

  it('two concurrent runs restore once, and requests stall for less than lock_timeout while a reader blocks it', async () => {
    const url = await copyOf(expanded);
    await up(url, ['contract']);
    const reader = new pg.Client(url);
    await reader.connect();
    await reader.query('BEGIN; SELECT FROM services LIMIT 1');
    const both = [restore(url), restore(url)];
    let longestMs = 0;
    for (let n = 0; n < 30; n += 1) {
      const startedAt = performance.now();
      await postgres.query('SELECT name FROM services LIMIT 1', url);
      longestMs = Math.max(longestMs, performance.now() - startedAt);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await reader.query('COMMIT');
    await reader.end();
    const reports = await Promise.all(both);
    assert.deepEqual(reports.map(({ outcome }) => outcome).sort(), ['done', 'nothing']);
    assert.ok(longestMs < 600, `a read waited for ${longestMs} ms`);
    assert.deepEqual(await stateOf(url), OLD_SCHEMA);
  });

  it('a restore that is killed by SIGKILL between COMMIT and its report has nothing to do in the next run', async () => {
    const url = await copyOf(expanded);
    await up(url, ['contract']);
    const env = {
      PCF_API__DATABASE__URL: url,
      NODE_OPTIONS: `--import=${HOOK}`,
      KILL_AT_COMMIT_OF: 'RENAME COLUMN',
    };
    const killed = await runRole(['migrate', 'restore', SPLIT, TABLE, '--json'], env, image);
    assert.deepEqual([killed.code, killed.stdout], [null, '']);
    const left = migrationReportSchema.parse(JSON.parse(killed.terminationMessage));
    assert.deepEqual([left.outcome, left.running], ['running', SPLIT]);
    const again = await runRole(
      ['migrate', 'restore', SPLIT, TABLE, '--json'],
      { PCF_API__DATABASE__URL: url },
      image,
    );
    assert.deepEqual(
      [again.code, migrationReportSchema.parse(JSON.parse(again.stdout)).hidden],
      [EXIT.ok, undefined],
    );
    assert.deepEqual(await stateOf(url), OLD_SCHEMA);
  });

  async function copyOf(template: string, suffix = crypto.randomUUID().slice(0, 8)): Promise<string> {
    const from = new URL(template).pathname.slice(1);
    const name = `${from}_${suffix}`;
    await postgres.query(`CREATE DATABASE "${name}" TEMPLATE "${from}"`, postgres.url('postgres'));
    return postgres.url(name);
  }

  async function imageOf(migrations: Record<string, string>): Promise<KnownMigration[]> {
    const folder = restorableImage(migrations);
    images.push(folder);
    return migrationsOf(folder);
  }

  async function up(url: string, phases: MigrationPhase[], migrations = known): Promise<MigrationReport> {
    const report = await runUp(url, migrations, phases);
    assert.equal(report.error, undefined);
    return report;
  }

  async function restore(url: string, names: string[] = [], migrations = known): Promise<MigrationReport> {
    const run = { settings: await settingsOf(url), known: migrations, log, interrupted: never };
    return (await migrateRestore(run, names)).report;
  }

  async function purge(url: string, now = false): Promise<MigrationReport> {
    const run = { settings: await settingsOf(url), known, log, interrupted: never };
    return (await migratePurge(run, { now })).report;
  }

  async function stateOf(url: string): Promise<Record<string, unknown>> {
    const [state] = await postgres.query<Record<string, unknown>>(STATE, url);
    return state!;
  }

  async function catalogOf(url: string): Promise<Catalog> {
    const client = new pg.Client(url);
    await client.connect();
    const query = async (sql: string, values?: unknown[]) => (await client.query(sql, values)).rows;
    return readCatalog({ query } as unknown as QueryRunner, 'public').finally(() => client.end());
  }
});
