import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pino } from 'pino';
import { loadSettings } from '../../../api-server/config/load.js';
import { knownMigrations } from '../../../api-server/migrations/engine/known-migrations.js';
import { migrateUp } from '../../../api-server/migrations/engine/runner.js';
import { EXIT, migrationReportSchema } from '../../../contract/image.js';
import { sharedPostgres, type TestPostgres } from '../../support/postgres.js';
import { makeImage, migrationFile, runRole } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const HOOK = pathToFileURL(join(import.meta.dirname, '../../support/kill-at-statement.js')).href;
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

describe('api-server migrate, killed by SIGKILL', () => {
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

  it('at every statement: the next run finishes, each row is done once, nothing is left half done', async function () {
    this.timeout(240_000);
    const seen: string[] = [];
    let statement = 0;
    let whole = false;
    /** Each takes the next statement, until a run outlives its last one. */
    const walk = async () => {
      while (!whole) {
        statement += 1;
        const at = statement;
        const url = await copy(at);
        const { code } = await kill(url, { KILL_AT_STATEMENT: String(at) });
        if (code === EXIT.ok) whole = true;
        else assert.equal(code, null, `statement ${at}: ended with ${code} instead of being killed`);
        seen.push(await half(url));
        await finish(url, at);
      }
    };
    await Promise.all([walk(), walk(), walk()]);
    assert.ok(statement > 40, `only ${statement} statements`);
    // It was killed in each of these states, or the walk has proved nothing.
    for (const state of ['nothing', 'Add', 'Add Index', 'Add Index Fill', 'Add Index Fill Drop']) {
      assert.ok(seen.includes(state), `never killed with "${state}" applied, but: ${[...new Set(seen)]}`);
    }
  });

  it('after COMMIT and before it could say so: the next run has nothing to do, and says what there is', async () => {
    const url = await copy(0);
    const { code, lastWords, stdout } = await kill(url, { KILL_AT_COMMIT_OF: 'DROP TABLE teams' });
    assert.deepEqual([code, stdout], [null, '']);
    const left = migrationReportSchema.parse(JSON.parse(lastWords));
    assert.deepEqual([left.outcome, left.running], ['running', 'Drop1795380000004']);
    assert.equal(left.error, 'killed while Drop1795380000004 ran; the next run continues from there');
    assert.equal(left.backfill?.rows, ROWS, 'last words tell how far it had come');
    await finish(url, 0);
    const again = await runRole([...UP, '--detailed-exitcode'], { PCF_API__DATABASE__URL: url }, image);
    const report = migrationReportSchema.parse(JSON.parse(again.stdout));
    assert.deepEqual(
      [again.code, report.outcome, report.current, report.pending],
      [EXIT.nothing, 'nothing', 'Drop1795380000004', []],
    );
  });

  /** A copy of the database as version 1 left it, so that every walk begins at the same place. */
  async function copy(n: number): Promise<string> {
    const from = new URL(template).pathname.slice(1);
    const name = `${from}_killed_${n}`;
    await postgres.query(`CREATE DATABASE "${name}" TEMPLATE "${from}"`, postgres.url('postgres'));
    return postgres.url(name);
  }

  /** What is recorded as applied. */
  async function half(url: string): Promise<string> {
    const rows = await postgres.query<{ name: string }>(
      "SELECT name FROM schema_migrations WHERE name LIKE '%179538%' ORDER BY id",
      url,
    );
    return rows.map(({ name }) => name.slice(0, -13)).join(' ') || 'nothing';
  }

  /** In this process: what is tried is the state that the killed one left. */
  async function finish(url: string, at: number): Promise<void> {
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
    const whole = { filled: ROWS, counted: ROWS, valid: true, old: 0, teams: null, recorded: 4 };
    assert.deepEqual(state, whole, `after statement ${at}`);
  }
});
