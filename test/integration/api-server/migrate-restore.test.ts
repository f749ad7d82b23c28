import assert from 'node:assert/strict';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import type { QueryRunner } from 'typeorm';
import { migrationPlan } from '../../../api-server/migrations/engine/runner.js';
import { type Catalog, readCatalog } from '../../../api-server/migrations/verify/catalog.js';
import { EXIT, migrationReportSchema } from '../../../contract/image.js';
import { migrationFile, runRole } from './api-process.js';
import { ExpandedDatabase } from './expanded-database.js';
import { log, SPLIT, settingsOf, TABLE } from './restore-under-test.js';

const HOOK = pathToFileURL(join(import.meta.dirname, '../../support/programs/kill-at-commit.js')).href;
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
  let under: ExpandedDatabase;

  before(async () => {
    under = await ExpandedDatabase.create();
  });
  after(() => under?.removeImages());

  it('an old version reads and writes every row after contract, writes of the new version, and restore', async () => {
    const url = await under.copy();
    const contract = await under.up(url, ['contract']);
    assert.deepEqual(
      contract.hidden?.map(({ migration }) => migration),
      [SPLIT, TABLE],
    );
    assert.equal(contract.irreversible, undefined);
    assert.deepEqual(await under.stateOf(url), HIDDEN);

    const rows = await under.postgres.query<{ id: string; name: string }>(
      'SELECT id, name FROM services ORDER BY name',
      url,
    );
    const model = new Map(
      (
        await under.postgres.query<{ id: string; owner: string; repository: string }>(
          'SELECT id, owner, repository FROM services',
          under.url,
        )
      ).map(({ id, owner, repository }) => [id, { owner, repository }]),
    );
    // Rows without a change of these columns retain the text after the second "#", which the expression can't compute.
    const [renamed, moved, touched, removed] = rows.map(({ id }) => id) as [string, string, string, string];
    await under.postgres.query("UPDATE services SET team = 'new team' WHERE id = $1", url, [renamed]);
    await under.postgres.query("UPDATE services SET url = 'new', branch = 'b' WHERE id = $1", url, [moved]);
    await under.postgres.query("UPDATE services SET name = 'touched' WHERE id = $1", url, [touched]);
    await under.postgres.query('DELETE FROM services WHERE id = $1', url, [removed]);
    const [added] = await under.postgres.query<{ id: string }>(
      "INSERT INTO services (id, name, team, url, branch) VALUES (gen_random_uuid(), 'added', 't', 'u', 'main') RETURNING id",
      url,
    );
    model.set(renamed, { ...model.get(renamed)!, owner: 'new team' });
    model.set(moved, { ...model.get(moved)!, repository: 'new#b' });
    model.delete(removed);
    model.set(added!.id, { owner: 't', repository: 'u#main' });

    const restored = await under.restore(url, [SPLIT, TABLE]);
    assert.deepEqual(restored.restored, [TABLE, SPLIT]);
    assert.deepEqual(restored.contracts, [SPLIT, TABLE], 'contract is pending again');
    assert.deepEqual(await under.stateOf(url), OLD_SCHEMA);
    const found = await under.postgres.query<{ id: string; owner: string; repository: string }>(
      'SELECT id, owner, repository FROM services',
      url,
    );
    assert.deepEqual(new Map(found.map(({ id, owner, repository }) => [id, { owner, repository }])), model);
    assert.deepEqual(await under.postgres.query('SELECT note FROM note_texts', url), [{ note: 'kept' }]);
    // The trigger of expand is back: what the old version writes is valid for the new version.
    const [both] = await under.postgres.query(
      "INSERT INTO services (id, name, owner, repository) VALUES (gen_random_uuid(), 'old', 'o', 'x#y') RETURNING team, url, branch",
      url,
    );
    assert.deepEqual(both, { team: 'o', url: 'x', branch: 'y' });

    assert.equal(
      (await under.restore(url, [SPLIT, TABLE])).outcome,
      'nothing',
      'a repeated restore has nothing to do',
    );
    const again = await under.up(url, ['contract']);
    assert.deepEqual([again.applied, again.hidden?.length], [[SPLIT, TABLE], 2]);
    assert.deepEqual((await under.purge(url, true)).purged, [SPLIT, TABLE]);
    assert.deepEqual(await under.stateOf(url), PURGED);
    const refused = await under.restore(url, [SPLIT]);
    assert.equal(refused.outcome, 'refused');
    assert.match(
      refused.error ?? '',
      /DropColumns1795380000003 can't be restored: what it dropped was purged at 2/,
    );
  });

  it('purge waits for the end of the window, and verify ignores what is hidden', async () => {
    const url = await under.copy();
    await under.up(url, ['contract']);
    assert.equal((await under.purge(url)).outcome, 'nothing');
    assert.deepEqual(await under.stateOf(url), HIDDEN);
    const verified = await runRole(['migrate', 'verify'], { PCF_API__DATABASE__URL: url }, under.image);
    assert.doesNotMatch(verified.stdout, /pcf_hidden|schema_hidden/);
    await under.postgres.query(
      "UPDATE schema_hidden SET until = now() - interval '1 s' WHERE migration = $1",
      url,
      [SPLIT],
    );
    assert.deepEqual((await under.purge(url)).purged, [SPLIT]);
  });

  it('a value that a hidden column can not store becomes NULL, is counted, and does not fail the write', async () => {
    const url = await under.copy();
    const narrow = await under.imageOf({
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
    await under.up(url, ['expand', 'backfill', 'contract'], narrow);
    await under.postgres.query('INSERT INTO amounts (id, new) VALUES (1, 7), (2, 70000)', url);
    await under.restore(url, [], narrow);
    assert.deepEqual(await under.postgres.query('SELECT id, old FROM amounts ORDER BY id', url), [
      { id: 1, old: 7 },
      { id: 2, old: null },
    ]);
    await under.up(url, ['contract'], narrow);
    await under.postgres.query('INSERT INTO amounts (id, new) VALUES (3, 80000)', url);
    const planned = await migrationPlan(await settingsOf(url), narrow, log);
    assert.equal(planned.report.hidden?.find(({ migration }) => migration.startsWith('C'))?.lost, 1);
  });

  it('an unrelated update retains a hidden value that the expression can not compute', async () => {
    const url = await under.copy();
    const image = await under.imageOf({
      '1795380000005-a.js': migrationFile('A1795380000005', [
        'CREATE TABLE shares (id int PRIMARY KEY, old int, parts int, note text)',
      ]),
      '1795380000007-c.js': `export class C1795380000007 {
        restore = { shares: { old: '100 / parts' } };
        async up(r) { await r.query('ALTER TABLE shares DROP COLUMN old'); } }
        C1795380000007.phase = 'contract';\n`,
    });
    await under.up(url, ['expand', 'backfill'], image);
    await under.postgres.query("INSERT INTO shares VALUES (1, 7, 0, 'a'), (2, 7, 0, 'a')", url);
    await under.up(url, ['contract'], image);
    await under.postgres.query("UPDATE shares SET note = 'b'", url);
    await under.postgres.query('UPDATE shares SET parts = 50 WHERE id = 2', url);
    await under.restore(url, [], image);
    assert.deepEqual(await under.postgres.query('SELECT id, old FROM shares ORDER BY id', url), [
      { id: 1, old: 7 },
      { id: 2, old: 2 },
    ]);
  });

  it('each kind of change is restored to the same catalog, with constraints that are not validated, and purged', async () => {
    const url = await under.copy();
    const kinds = await under.imageOf({
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
    await under.up(url, ['expand', 'backfill'], kinds);
    const before = await catalogOf(url);
    const contract = await under.up(url, ['contract'], kinds);
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
    await under.postgres.query(
      'INSERT INTO "Kinds" (id, checked, parent, narrow) VALUES (1, -1, 99, 1)',
      url,
    );
    await under.restore(url, [], kinds);
    const unvalidated = new Map(
      [...before].map(([name, definition]) => [
        name,
        name.startsWith('constraint Kinds.') && !name.endsWith('_pkey')
          ? `${definition} NOT VALID`
          : definition,
      ]),
    );
    assert.deepEqual(await catalogOf(url), unvalidated);
    assert.deepEqual(await under.postgres.query("SELECT twice(4) AS y, nextval('numbers')::int AS n", url), [
      { y: 8, n: 1 },
    ]);
    await under.up(url, ['contract'], kinds);
    await under.purge(url, true);
    assert.deepEqual(await catalogOf(url), hidden);
    const [left] = await under.postgres.query(
      "SELECT count(*)::int AS count FROM pg_namespace WHERE nspname LIKE 'pcf_hidden%'",
      url,
    );
    assert.deepEqual(left, { count: 0 });
  });

  it('a column of a table that a newer contract hides is purged, and restored, with the table', async () => {
    const url = await under.copy();
    const wide = {
      '1795380000005-a.js': migrationFile('A1795380000005', [
        'CREATE TABLE wide (id int PRIMARY KEY, a int, b int)',
      ]),
      '1795380000006-b.js': `export class B1795380000006 {
        restore = { wide: { a: 'b + 1' } }; async up(r) { await r.query('ALTER TABLE wide DROP COLUMN a'); } }
        B1795380000006.phase = 'contract';\n`,
    };
    await under.up(url, ['expand', 'backfill', 'contract'], await under.imageOf(wide));
    await under.postgres.query('INSERT INTO wide (id, b) VALUES (1, 1)', url);
    const newer = await under.imageOf({
      ...wide,
      '1795380000007-c.js': migrationFile('C1795380000007', ['DROP TABLE wide'], 'contract'),
    });
    await under.up(url, ['contract'], newer);
    assert.deepEqual((await under.restore(url, ['B1795380000006'], newer)).restored, [
      'C1795380000007',
      'B1795380000006',
    ]);
    assert.deepEqual(await under.postgres.query('SELECT id, a, b FROM wide', url), [{ id: 1, a: 2, b: 1 }]);
    await under.up(url, ['contract'], newer);
    assert.deepEqual((await under.purge(url, true)).purged?.length, 4);
    const [left] = await under.postgres.query(
      "SELECT count(*)::int AS count FROM pg_class WHERE relname = 'wide' OR relname LIKE 'pcf_hidden%'",
      url,
    );
    assert.deepEqual(left, { count: 0 });
  });

  it('two concurrent runs restore once, and requests stall for less than lock_timeout while a reader blocks it', async () => {
    const url = await under.copy();
    await under.up(url, ['contract']);
    const reader = new pg.Client(url);
    await reader.connect();
    await reader.query('BEGIN; SELECT FROM services LIMIT 1');
    const both = [under.restore(url), under.restore(url)];
    let longestMs = 0;
    for (let n = 0; n < 30; n += 1) {
      const startedAt = performance.now();
      await under.postgres.query('SELECT name FROM services LIMIT 1', url);
      longestMs = Math.max(longestMs, performance.now() - startedAt);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await reader.query('COMMIT');
    await reader.end();
    const reports = await Promise.all(both);
    assert.deepEqual(reports.map(({ outcome }) => outcome).sort(), ['done', 'nothing']);
    assert.ok(longestMs < 600, `a read waited for ${longestMs} ms`);
    assert.deepEqual(await under.stateOf(url), OLD_SCHEMA);
  });

  it('a restore that is killed by SIGKILL between COMMIT and its report has nothing to do in the next run', async () => {
    const url = await under.copy();
    await under.up(url, ['contract']);
    const env = {
      PCF_API__DATABASE__URL: url,
      NODE_OPTIONS: `--import=${HOOK}`,
      KILL_AT_COMMIT_OF: 'RENAME COLUMN',
    };
    const killed = await runRole(['migrate', 'restore', SPLIT, TABLE, '--json'], env, under.image);
    assert.deepEqual([killed.code, killed.stdout], [null, '']);
    const left = migrationReportSchema.parse(JSON.parse(killed.terminationMessage));
    assert.deepEqual([left.outcome, left.running], ['running', SPLIT]);
    const again = await runRole(
      ['migrate', 'restore', SPLIT, TABLE, '--json'],
      { PCF_API__DATABASE__URL: url },
      under.image,
    );
    assert.deepEqual(
      [again.code, migrationReportSchema.parse(JSON.parse(again.stdout)).hidden],
      [EXIT.ok, undefined],
    );
    assert.deepEqual(await under.stateOf(url), OLD_SCHEMA);
  });

  async function catalogOf(url: string): Promise<Catalog> {
    const client = new pg.Client(url);
    await client.connect();
    const query = async (sql: string, values?: unknown[]) => (await client.query(sql, values)).rows;
    return readCatalog({ query } as unknown as QueryRunner, 'public').finally(() => client.end());
  }
});
