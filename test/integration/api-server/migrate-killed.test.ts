import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { EXIT, migrationReportSchema } from '../../../contract/image.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { makeImage, migrationFile, runRole } from './api-process.js';
import { statesAfterKills } from './killed-runs.js';
import { migratedDatabase } from './migrated-database.js';
import { contentOf, PHASES, runMigrations } from './restore-under-test.js';

const HOOK = pathToFileURL(join(import.meta.dirname, '../../support/programs/kill-at-commit.js')).href;
const UP = ['migrate', 'up', '--json', '--phase', ...PHASES];
const ROWS = 1_200; // three batches
const FILL = 'Fill1795380000003';
const MIGRATIONS = {
  '1795380000001-add.js': migrationFile('Add1795380000001', [
    'ALTER TABLE services ADD COLUMN team text',
    'CREATE TABLE teams (name text PRIMARY KEY)',
  ]),
  '1795380000002-index.js': `${migrationFile('Index1795380000002', ['CREATE INDEX CONCURRENTLY services_team ON services (team)'])}Index1795380000002.transaction = false;\n`,
  '1795380000003-fill.js': `export class ${FILL} {
    backfill = { table: 'services', key: 'id', set: 'team = owner', where: 'team IS NULL' };
    async up() {}
  }\n${FILL}.phase = 'backfill';\n`,
  '1795380000004-drop.js': migrationFile(
    'Drop1795380000004',
    ['ALTER TABLE services DROP COLUMN owner', 'DROP TABLE teams'],
    'contract',
  ),
};

describe('api-server migrate: SIGKILL', () => {
  let postgres: TestPostgres;
  let template: string;
  let image: string;

  before(async () => {
    postgres = await sharedPostgres();
    image = makeImage(MIGRATIONS);
    template = await migratedDatabase();
    await postgres.query(
      `INSERT INTO services (id, name, owner) SELECT gen_random_uuid(), 's' || n, 'team ' || n FROM generate_series(1, ${ROWS}) n`,
      template,
    );
    await postgres.query('ANALYZE services', template);
  });
  after(() => rmSync(image, { recursive: true, force: true }));

  it('the next run completes after SIGKILL at any statement, and updates each row once', async () => {
    const runs = { postgres, template, image, command: 'up', stateOf, varies: true } as const;
    const { total, left } = await statesAfterKills(runs);
    assert.ok(total > 40, `only ${total} statements`);
    const appliedAtKill: string[] = [];
    const filledAtKill: number[] = [];
    for (const { url, at } of left) {
      appliedAtKill.push(await appliedMigrations(url));
      filledAtKill.push(await filledRows(url));
      await completeMigrations(url, at);
    }
    // The test is valid only if a run was killed in each of these states.
    for (const state of ['nothing', 'Add', 'Add Index', 'Add Index Fill', 'Add Index Fill Drop']) {
      assert.ok(
        appliedAtKill.includes(state),
        `never killed with "${state}" applied, but: ${[...new Set(appliedAtKill)]}`,
      );
    }
    const isPart = (filled: number) => filled > 0 && filled < ROWS;
    assert.ok(filledAtKill.some(isPart), `never killed between two batches, but with ${filledAtKill} rows`);
  });

  it('after SIGKILL between COMMIT and the report, the next run has nothing to do and reports the state', async () => {
    const url = await postgres.copyDatabase(template);
    const env = { NODE_OPTIONS: `--import=${HOOK}`, KILL_AT_COMMIT_OF: 'DROP TABLE teams' };
    const { code, terminationMessage, stdout } = await runRole(
      UP,
      { PCF_API__DATABASE__URL: url, ...env },
      image,
    );
    assert.deepEqual([code, stdout], [null, '']);
    const left = migrationReportSchema.parse(JSON.parse(terminationMessage));
    assert.deepEqual([left.outcome, left.running], ['running', 'Drop1795380000004']);
    assert.equal(left.error, 'killed while Drop1795380000004 ran; the next run continues from there');
    assert.equal(left.backfill?.rows, ROWS, 'the termination message contains the progress');
    await completeMigrations(url, 0);
    const again = await runRole([...UP, '--detailed-exitcode'], { PCF_API__DATABASE__URL: url }, image);
    const report = migrationReportSchema.parse(JSON.parse(again.stdout));
    assert.deepEqual(
      [again.code, report.outcome, report.current, report.pending],
      [EXIT.nothing, 'nothing', 'Drop1795380000004', []],
    );
  });

  /** Catalog and records, which indexes are valid, and the progress of the backfill. Rows have a time of update. */
  async function stateOf(url: string): Promise<unknown> {
    const { rows: _rows, ...content } = await contentOf(postgres, url);
    const [more] = await postgres.query<Record<string, unknown>>(
      `SELECT (SELECT array_agg(indexrelid::regclass || ' ' || indisvalid ORDER BY indexrelid::regclass::text)
               FROM pg_index WHERE indrelid::regclass::text IN ('services', 'teams')) AS indexes,
              (SELECT count(to_jsonb(s) ->> 'team') FROM services s) AS filled,
              CASE WHEN to_regclass('schema_backfills') IS NOT NULL THEN query_to_xml(
                'SELECT name, rows, cancelled FROM schema_backfills', true, false, '')::text END AS backfills`,
      url,
    );
    return { ...content, ...more };
  }

  /** The column does not exist before the first migration. */
  async function filledRows(url: string): Promise<number> {
    const sql = "SELECT count(to_jsonb(s) ->> 'team')::int AS filled FROM services s";
    const [row] = await postgres.query<{ filled: number }>(sql, url);
    return row!.filled;
  }

  /** Names of the applied migrations, without their timestamps. */
  async function appliedMigrations(url: string): Promise<string> {
    const rows = await postgres.query<{ name: string }>(
      "SELECT name FROM schema_migrations WHERE name LIKE '%179538%' ORDER BY id",
      url,
    );
    return rows.map(({ name }) => name.slice(0, -13)).join(' ') || 'nothing';
  }

  /** Completes the migrations in this process: only the state that the killed run left is tested. */
  async function completeMigrations(url: string, at: number): Promise<void> {
    const { report } = await runMigrations({ url, image, command: 'up' });
    assert.equal(report.error, undefined, `after statement ${at}`);
    assert.deepEqual(report.pending, [], `after statement ${at}`);
    const [state] = await postgres.query<Record<string, unknown>>(
      `SELECT (SELECT count(*)::int FROM services WHERE team LIKE 'team %') AS filled,
              (SELECT rows::int FROM schema_backfills) AS counted,
              (SELECT indisvalid FROM pg_index WHERE indexrelid = 'services_team'::regclass) AS valid,
              (SELECT count(*)::int FROM pg_attribute WHERE attrelid = 'services'::regclass AND attname = 'owner') AS old,
              to_regclass('teams')::text AS teams,
              (SELECT count(*)::int FROM schema_migrations WHERE name LIKE '%179538%') AS recorded`,
      url,
    );
    const expected = { filled: ROWS, counted: ROWS, valid: true, old: 0, teams: null, recorded: 4 };
    assert.deepEqual(state, expected, `after statement ${at}`);
  }
});
