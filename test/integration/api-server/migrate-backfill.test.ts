import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { pino } from 'pino';
import { loadSettings } from '../../../api-server/config/load.js';
import { createBackfills, runBackfill } from '../../../api-server/migrations/engine/backfill.js';
import type { BackfillSpec } from '../../../api-server/migrations/engine/backfill-batch.js';
import type { KnownMigration } from '../../../api-server/migrations/engine/known-migrations.js';
import { configureSession, openSession } from '../../../api-server/migrations/engine/migration-session.js';
import { EXIT, type MigrationReport, migrationReportSchema } from '../../../contract/image.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { makeImage, runRole } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const NAME = 'Fill1795380000001';
const ROWS = 1_300;

describe('api-server migrate: backfills', () => {
  let postgres: TestPostgres;
  let url: string;
  const images: string[] = [];
  const fill = async (backfill: BackfillSpec) => {
    const image = makeImage({
      '1795380000001-fill.js': `export class ${NAME} {
        backfill = ${JSON.stringify(backfill)};
        async up() {}
      }\n${NAME}.phase = 'backfill';\n`,
    });
    images.push(image);
    const { code, stdout } = await runRole(
      ['migrate', 'up', '--json'],
      { PCF_API__DATABASE__URL: url },
      image,
    );
    return { code, report: migrationReportSchema.parse(JSON.parse(stdout)) as MigrationReport };
  };
  const count = async (from: string) =>
    Number((await postgres.query<{ n: string }>(`SELECT count(*) AS n FROM ${from}`, url))[0]?.n);
  const rows = `generate_series(1, ${ROWS}) AS n`;

  before(async () => {
    postgres = await sharedPostgres();
  });
  beforeEach(async () => {
    url = await migratedDatabase();
  });
  after(() => {
    for (const image of images) rmSync(image, { recursive: true, force: true });
  });

  const TABLES: Record<string, { sql: string; spec: BackfillSpec }> = {
    'a table named batch with a key named k': {
      sql: `CREATE TABLE batch (k int PRIMARY KEY, last int, rows int); INSERT INTO batch (k) SELECT n FROM ${rows}`,
      spec: { table: 'batch', key: 'k', set: 'rows = k', where: 'rows IS NULL AND k > 0' },
    },
    'a table named changed that the conditions query': {
      sql: `CREATE TABLE changed (key int PRIMARY KEY, matches int); INSERT INTO changed SELECT n FROM ${rows}`,
      spec: {
        table: 'changed',
        key: 'key',
        set: 'matches = (SELECT max(c.key) FROM changed c)',
        where: 'matches IS NULL AND EXISTS (SELECT FROM changed c WHERE c.key = changed.key)',
      },
    },
    'a key and a table with upper-case letters, quotes and reserved words': {
      sql: `CREATE TABLE "Order" ("Se""lect" text PRIMARY KEY, "To" text); INSERT INTO "Order" SELECT 'Key ' || n FROM ${rows}`,
      spec: { table: '"Order"', key: 'Se"lect', set: '"To" = upper("Se""lect")', where: '"To" IS NULL' },
    },
    'a key that is a reserved word, and conditions that end in a comment': {
      sql: `CREATE TABLE orders ("order" bigint PRIMARY KEY, done boolean); INSERT INTO orders SELECT n FROM ${rows}`,
      spec: { table: 'orders', key: 'order', set: 'done = true -- all', where: 'done IS NULL -- not yet' },
    },
    'a unique key that is NULL in most rows': {
      sql: `CREATE TABLE codes (code text UNIQUE, done boolean); INSERT INTO codes SELECT CASE WHEN n % 20 = 0 THEN 'c' || n END FROM ${rows}`,
      spec: { table: 'codes', key: 'code', set: 'done = true', where: 'done IS NULL' },
    },
    'a unique key that is NULL in some rows': {
      sql: `CREATE TABLE codes (code text UNIQUE, done boolean); INSERT INTO codes SELECT CASE WHEN n % 20 > 0 THEN 'c' || n END FROM ${rows}`,
      spec: { table: 'codes', key: 'code', set: 'done = true', where: 'done IS NULL' },
    },
    'a partitioned table with a nullable key': {
      sql: `CREATE TABLE parts (id int UNIQUE, done boolean) PARTITION BY LIST (id);
        CREATE TABLE parts_null PARTITION OF parts FOR VALUES IN (NULL);
        CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
        INSERT INTO parts SELECT CASE WHEN n > 700 THEN n END FROM ${rows}`,
      spec: { table: 'parts', key: 'id', set: 'done = true', where: 'done IS NULL' },
    },
  };
  for (const [title, { sql, spec }] of Object.entries(TABLES)) {
    it(`updates each row once: ${title}`, async () => {
      await postgres.query(sql, url);
      const { code, report } = await fill(spec);
      assert.deepEqual([code, report.backfill?.rows], [EXIT.ok, ROWS], report.error);
      assert.equal(await count(`${spec.table} WHERE ${spec.where}\n`), 0);
    });
  }

  it('refuses a key without its own unique index', async () => {
    await postgres.query(
      'CREATE TABLE notes (id int, tenant int, body text, PRIMARY KEY (tenant, id)); CREATE UNIQUE INDEX ON notes (id) WHERE id > 0',
      url,
    );
    for (const key of ['tenant', 'id', 'body']) {
      const { code, report } = await fill({ table: 'notes', key, set: "body = ''", where: 'body IS NULL' });
      assert.deepEqual([code, report.pending], [EXIT.config, [NAME]]);
      assert.match(report.error ?? '', new RegExp(`${key} of notes has no single-column unique index`));
    }
  });

  it('refuses a `set` after which a row still matches, and changes nothing', async () => {
    await postgres.query(
      `CREATE TABLE notes (id int PRIMARY KEY, n int); INSERT INTO notes SELECT n FROM ${rows}`,
      url,
    );
    const { code, report } = await fill({
      table: 'notes',
      key: 'id',
      set: 'n = nullif(id, 77)',
      where: 'n IS NULL',
    });
    assert.deepEqual([code, report.outcome], [EXIT.config, 'refused']);
    assert.match(report.error ?? '', /a row still matches `where`/);
    assert.equal(await count('notes WHERE n IS NOT NULL'), 0);
  });

  it('a pass without matches does not exceed statement_timeout on a table that takes longer to scan', async () => {
    await postgres.query(
      `CREATE TABLE big (id int PRIMARY KEY, done boolean); INSERT INTO big SELECT n, n < ${ROWS} FROM ${rows}`,
      url,
    );
    const settings = await loadSettings({ PCF_API__DATABASE__URL: url });
    const log = pino({ level: 'silent' });
    await using session = await openSession(settings, [], log);
    await configureSession(session.runner, { lock: 500, statement: 1_000 });
    await createBackfills(session.runner);
    const spec: BackfillSpec = {
      table: 'big',
      key: 'id',
      set: 'done = true',
      // 2 ms per row: about 2.6 s for the table, and 1 s for the first batch.
      where: 'CASE WHEN pg_sleep(0.002) IS NULL THEN true ELSE done IS NOT TRUE END',
    };
    const listener = { report: () => {}, onCommit: () => {} };
    await runBackfill(session.runner, { name: NAME } as KnownMigration, spec, log, listener);
    assert.equal(await count('big WHERE done IS NOT TRUE'), 0);
  });
});
