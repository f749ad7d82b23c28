import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { EXIT } from '../../../contract/image.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { makeImage, migrationFile, runRole } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

interface Verified {
  outcome: string;
  error?: string;
  differences: { name: string; problem: string; expected?: string; found?: string }[];
  ahead: string[];
  pending: string[];
}

describe('api-server migrate verify', () => {
  let postgres: TestPostgres;
  let url: string;
  const images: string[] = [];
  const env = () => ({ PCF_API__DATABASE__URL: url });
  const change = (sql: string) => postgres.query(sql, url);
  const verify = async (image?: string) => {
    const ended = await runRole(['migrate', 'verify', '--json'], env(), image);
    assert.equal(ended.stderr, '');
    return { code: ended.code, ...(JSON.parse(ended.stdout) as Verified) };
  };

  before(async () => {
    postgres = await sharedPostgres();
  });
  beforeEach(async () => {
    url = await migratedDatabase();
  });
  after(() => {
    for (const folder of images) rmSync(folder, { recursive: true, force: true });
  });

  it('finds no drift after `migrate up`, and leaves no schema in the database', async () => {
    const { code, outcome, differences, pending } = await verify();
    assert.deepEqual([code, outcome, differences, pending], [EXIT.ok, 'same', [], []]);
    const [left] = await change(
      "SELECT count(*)::int AS n FROM pg_namespace WHERE nspname LIKE 'pcf_verify%'",
    );
    assert.equal(left?.n, 0);
  });

  it('reports manual changes as unexpected, missing and different objects', async () => {
    await change('ALTER TABLE services ADD COLUMN by_hand text');
    await change('ALTER TABLE services ALTER description TYPE varchar(10)');
    await change('ALTER TABLE services DROP CONSTRAINT services_name_key');
    await change('DROP INDEX deployments_newest');
    await change('CREATE TABLE loose (id int PRIMARY KEY)');
    const { code, differences } = await verify();
    assert.equal(code, EXIT.failure);
    const reported = differences.map(({ problem, name }) => `${problem} ${name}`);
    assert.deepEqual(
      reported,
      [
        'different column services.description',
        'unexpected column services.by_hand',
        'missing constraint services.services_name_key',
        'missing index deployments_newest',
        'missing index services_name_key',
        'unexpected table loose',
      ].sort((a, b) => a.slice(a.indexOf(' ')).localeCompare(b.slice(b.indexOf(' ')))),
    );
    const human = await runRole(['migrate', 'verify'], env());
    assert.match(
      human.stdout,
      /different {2}column services\.description\n {4}expected: text\n {4}found: character varying\(10\)/,
    );
    assert.match(human.stdout, /6 differences\n$/);
  });

  it('reports an invalid index as drift', async () => {
    await change("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'deployments_newest'::regclass");
    const { differences } = await verify();
    assert.deepEqual(
      differences.map(({ name, problem }) => [name, problem]),
      [['index deployments_newest', 'different']],
    );
    assert.match(differences[0]?.found ?? '', / INVALID$/);
  });

  it('replays concurrent index builds, and checks only the columns of the entities if the database is ahead', async () => {
    const image = makeImage({
      '1795380000001-tier.js': migrationFile('Tier1795380000001', [
        'ALTER TABLE services ADD COLUMN tier text',
      ]),
      '1795380000002-index.js': `${migrationFile('Index1795380000002', ['CREATE INDEX CONCURRENTLY services_tier ON services (tier)'])}Index1795380000002.transaction = false;\n`,
    });
    images.push(image);
    const early = await verify(image);
    assert.deepEqual([early.code, early.pending], [EXIT.ok, ['Tier1795380000001', 'Index1795380000002']]);
    assert.equal((await runRole(['migrate', 'up'], env(), image)).code, EXIT.ok);
    assert.deepEqual((await verify(image)).differences, []);
    // The older image cannot distinguish newer migrations from drift, but checks the columns of its code.
    const older = await verify();
    assert.deepEqual([older.code, older.ahead], [EXIT.ok, ['Tier1795380000001', 'Index1795380000002']]);
    await change('ALTER TABLE services DROP COLUMN owner');
    await change('ALTER TABLE services ADD COLUMN rank text NOT NULL');
    assert.deepEqual(
      (await verify()).differences.map(({ name, problem }) => `${problem} ${name}`),
      ['missing column services.owner', 'different column services.rank'],
    );
  });

  it('resolves types of extensions in the live schema, but no tables', async () => {
    const image = makeImage({
      '1795380000001-tier.js': migrationFile('Tier1795380000001', [
        'CREATE EXTENSION IF NOT EXISTS citext',
        'ALTER TABLE services ADD COLUMN tier citext',
        'CREATE TABLE tiers (name citext PRIMARY KEY)',
      ]),
      '1795380000002-stray.js': migrationFile('Stray1795380000002', ['ALTER TABLE stray ADD COLUMN x text']),
    });
    images.push(image);
    await change('CREATE TABLE stray (id int)');
    assert.equal((await runRole(['migrate', 'up'], env(), image)).code, EXIT.ok);
    // No migration created the table: the replay must not use the table of the live schema.
    const stray = await verify(image);
    assert.equal(stray.code, EXIT.config);
    assert.match(stray.error ?? '', /^Stray1795380000002 can't be run again .*"stray" does not exist/);
    await change('DROP TABLE stray');
    await change("DELETE FROM schema_migrations WHERE name LIKE 'Stray%'");
    assert.deepEqual(await verify(image).then(({ code, differences }) => [code, differences]), [EXIT.ok, []]);
    await change('ALTER TABLE tiers ALTER name TYPE text');
    const { differences } = await verify(image);
    assert.deepEqual(
      differences
        .map(({ name, expected, found }) => [name, expected, found])
        .find(([name]) => name === 'column tiers.name'),
      ['column tiers.name', 'citext NOT NULL', 'text NOT NULL'],
    );
  });

  it('refuses a migration that names a schema, because it would change the live tables', async () => {
    const image = makeImage({
      '1795380000001-tier.js': migrationFile('Tier1795380000001', [
        'ALTER TABLE public.services ADD COLUMN tier text',
      ]),
    });
    images.push(image);
    assert.equal((await runRole(['migrate', 'up'], env(), image)).code, EXIT.ok);
    const { code, error } = await verify(image);
    assert.equal(code, EXIT.config);
    assert.match(error ?? '', /^Tier1795380000001 names the schema public/);
  });
});
