import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pino } from 'pino';
import { loadSettings } from '../../../api-server/config/load.js';
import { knownMigrations } from '../../../api-server/migrations/engine/known-migrations.js';
import { migrateUp } from '../../../api-server/migrations/engine/runner.js';
import { EXIT, migrationReportSchema } from '../../../contract/image.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { makeImage, migrationFile, runRole } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const HOOK = pathToFileURL(join(import.meta.dirname, '../../support/programs/kill-at-statement.js')).href;
const PHASES = ['expand', 'backfill', 'contract'] as const;
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
  const kill = (url: string, env: Record<string, string>) =>
    runRole(UP, { PCF_API__DATABASE__URL: url, NODE_OPTIONS: `--import=${HOOK}`, ...env }, image);

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
    const appliedAtKill: string[] = [];
    let statement = 0;
    let isComplete = false;
    /** Kills runs at one statement after the other, until a run completes. */
    const killRuns = async () => {
      while (!isComplete) {
        statement += 1;
        const at = statement;
        const url = await copyTemplate(at);
        const { code } = await kill(url, { KILL_AT_STATEMENT: String(at) });
        if (code === EXIT.ok) isComplete = true;
        else assert.equal(code, null, `statement ${at}: exited with ${code} instead of being killed`);
        appliedAtKill.push(await appliedMigrations(url));
        await completeMigrations(url, at);
      }
    };
    await Promise.all([killRuns(), killRuns(), killRuns()]);
    assert.ok(statement > 40, `only ${statement} statements`);
    // The test is valid only if a run was killed in each of these states.
    for (const state of ['nothing', 'Add', 'Add Index', 'Add Index Fill', 'Add Index Fill Drop']) {
      assert.ok(
        appliedAtKill.includes(state),
        `never killed with "${state}" applied, but: ${[...new Set(appliedAtKill)]}`,
      );
    }
  });

  it('after SIGKILL between COMMIT and the report, the next run has nothing to do and reports the state', async () => {
    const url = await copyTemplate(0);
    const { code, terminationMessage, stdout } = await kill(url, { KILL_AT_COMMIT_OF: 'DROP TABLE teams' });
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

  /** Copies the migrated database, so that each run starts from the same state. */
  async function copyTemplate(n: number): Promise<string> {
    const from = new URL(template).pathname.slice(1);
    const name = `${from}_killed_${n}`;
    await postgres.query(`CREATE DATABASE "${name}" TEMPLATE "${from}"`, postgres.url('postgres'));
    return postgres.url(name);
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
    const settings = await loadSettings({ PCF_API__DATABASE__URL: url });
    const known = await knownMigrations(pathToFileURL(`${image}/dist/api-server/migrations/versions/`));
    const { report } = await migrateUp(settings, known, pino({ level: 'silent' }), new Promise(() => {}), [
      ...PHASES,
    ]);
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
