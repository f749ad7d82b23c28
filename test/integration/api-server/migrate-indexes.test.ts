import assert from 'node:assert/strict';
import { EXIT } from '../../../contract/image.js';
import { migrationFile, runRole } from './api-process.js';
import { reportOf, UP, useMigrations } from './migrations-under-test.js';

const CONCURRENT = `export class Index1795380000001 {
  async up(runner) { await runner.query('CREATE INDEX CONCURRENTLY services_owner ON services (owner)'); }
}
Index1795380000001.phase = 'expand';
Index1795380000001.transaction = false;\n`;

describe('api-server migrate: indexes', () => {
  const under = useMigrations();

  it('rebuilds an invalid index of a killed run, and does not rebuild a valid one', async () => {
    const indexed = under.image({ '1795380000001-i.js': CONCURRENT });
    await under.postgres.query('CREATE INDEX services_owner ON services (owner)', under.url);
    await under.postgres.query(
      "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'services_owner'::regclass",
      under.url,
    );
    const before = await under.one("SELECT 'services_owner'::regclass::oid AS v");
    assert.equal(reportOf(await runRole(UP, under.env(), indexed)).outcome, 'done');
    assert.equal(
      await under.one("SELECT indisvalid AS v FROM pg_index WHERE indexrelid = 'services_owner'::regclass"),
      true,
    );
    const rebuilt = await under.one("SELECT 'services_owner'::regclass::oid AS v");
    assert.notEqual(rebuilt, before);

    await under.postgres.query("DELETE FROM schema_migrations WHERE name LIKE 'Index%'", under.url);
    assert.equal(reportOf(await runRole(UP, under.env(), indexed)).outcome, 'done');
    assert.equal(await under.one("SELECT 'services_owner'::regclass::oid AS v"), rebuilt);
  });

  it('rebuilds an invalid index of a table with upper-case letters, and refuses another index with the same name', async () => {
    await under.postgres.query('CREATE TABLE "Teams" (id int, "Name" text)', under.url);
    await under.postgres.query('CREATE INDEX "Teams_Name" ON "Teams" ("Name")', under.url);
    await under.postgres.query(
      `UPDATE pg_index SET indisvalid = false WHERE indexrelid = '"Teams_Name"'::regclass`,
      under.url,
    );
    const index = (definition: string) =>
      under.image({
        '1795380000001-i.js': `${migrationFile('Index1795380000001', [`CREATE INDEX CONCURRENTLY IF NOT EXISTS "Teams_Name" ON ${definition}`])}Index1795380000001.transaction = false;\n`,
      });
    const requested = index(`"Teams" ("Name" DESC, lower("Name")) INCLUDE (id) WHERE "Name" <> ''`);
    assert.equal((await runRole(UP, under.env(), requested)).code, EXIT.ok);
    const valid = `SELECT indisvalid AS v FROM pg_index WHERE indexrelid = '"Teams_Name"'::regclass`;
    assert.equal(await under.one(valid), true);
    const deleteRecord = () =>
      under.postgres.query("DELETE FROM schema_migrations WHERE name LIKE 'Index%'", under.url);
    await deleteRecord();
    assert.equal(
      (await runRole(UP, under.env(), requested)).code,
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
      const refused = await runRole(UP, under.env(), index(definition));
      assert.equal(refused.code, EXIT.config, definition);
      assert.match(
        reportOf(refused).error ?? '',
        /there is another index "Teams_Name": CREATE INDEX .*another name/,
      );
    }
  });

  it('drops the invalid index of a killed REINDEX CONCURRENTLY', async () => {
    await under.postgres.query(
      'CREATE INDEX deployments_newest_ccnew1 ON deployments (started_at)',
      under.url,
    );
    await under.postgres.query(
      "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'deployments_newest_ccnew1'::regclass",
      under.url,
    );
    const reindex = under.image({
      '1795380000001-r.js': `${migrationFile('Reindex1795380000001', ['REINDEX INDEX CONCURRENTLY deployments_newest'])}Reindex1795380000001.transaction = false;\n`,
    });
    assert.equal((await runRole(UP, under.env(), reindex)).code, EXIT.ok);
    assert.equal(await under.one("SELECT to_regclass('deployments_newest_ccnew1') AS v"), null);
  });
});
