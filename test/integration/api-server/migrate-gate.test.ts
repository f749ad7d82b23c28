import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { EXIT, type MigrationReport, migrationReportSchema } from '../../../contract/image.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { makeImage, migrationFile, runRole } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const UP = ['migrate', 'up', '--json'];
const NAME = 'Sly1795380000001';
/** Interfaces through which the code of a migration can send a statement. */
const INTERFACES: Record<string, string> = {
  'query of the query runner': 'runner.query(sql)',
  'the connection of connect()': '(await runner.connect()).query(sql)',
  'the connection, with a callback':
    'new Promise((resolve) => runner.databaseConnection.query(sql, [], resolve))',
  'the connection, with a query object': 'runner.databaseConnection.query({ text: sql, name: "sly" })',
  'the connection, with a query of the driver': 'runner.databaseConnection.query(new pg.Query(sql))',
  'the socket of the connection': 'runner.databaseConnection.connection.query(sql)',
  'the extended protocol of the connection':
    '(async (wire) => { wire.parse({ text: sql }); wire.bind({}); wire.execute({}); wire.sync(); })(runner.databaseConnection.connection)',
  'the entity manager': 'runner.manager.query(sql)',
  'the data source of the manager': 'runner.manager.connection.query(sql)',
  'a second query runner': 'runner.dataSource.createQueryRunner().query(sql)',
  'a query runner of the driver': 'runner.dataSource.driver.createQueryRunner("master").query(sql)',
  'the pool of the driver': 'runner.dataSource.driver.master.query(sql)',
  'a second client': 'second.query(sql)',
  'a client in the callback of another statement':
    'new Promise((resolve, reject) => runner.databaseConnection.query("SELECT 1", () => runner.query(sql).then(resolve, reject)))',
};

describe('api-server migrate: statement check at run time', () => {
  let postgres: TestPostgres;
  let url: string;
  const images: string[] = [];
  const up = async (migrations: Record<string, string>) => {
    const image = makeImage(migrations);
    images.push(image);
    const { code, stdout, stderr } = await runRole(UP, { PCF_API__DATABASE__URL: url, SLY_URL: url }, image);
    return { code, stderr, report: parsed(stdout) };
  };
  const sly = (body: string) => ({
    '1795380000001-sly.js': `import pg from 'pg';
      export class ${NAME} { async up(runner) {
        await runner.query('CREATE TABLE sly (id int)');
        const sql = 'DROP TABLE ' + (await runner.query("SELECT 'deployments' AS name"))[0].name;
        ${body}
      } }\n${NAME}.phase = 'expand';\n`,
  });
  const exists = async (table: string) =>
    (await postgres.query<{ v: unknown }>(`SELECT to_regclass('${table}') AS v`, url))[0]?.v !== null;

  before(async () => {
    postgres = await sharedPostgres();
  });
  beforeEach(async () => {
    url = await migratedDatabase();
  });
  after(() => {
    for (const image of images) rmSync(image, { recursive: true, force: true });
  });

  for (const [way, code] of Object.entries(INTERFACES)) {
    it(`refuses a destructive statement through ${way}, also when the migration ignores the error`, async () => {
      const second = code.startsWith('second')
        ? 'const second = new pg.Client(process.env.SLY_URL); try { await second.connect(); } catch {}'
        : '';
      const { code: exit, report } = await up(sly(`${second} try { await ${code}; } catch {}`));
      assert.deepEqual([exit, report.outcome], [EXIT.config, 'refused'], report.error);
      assert.match(report.error ?? '', new RegExp(`^${NAME}:? `));
      assert.deepEqual([await exists('deployments'), await exists('sly')], [true, false]);
    });
  }

  it('runs safe statements of every interface in order', async () => {
    const { code, report } = await up(
      sly(`
        const client = await runner.connect();
        await client.query('CREATE TABLE by_client (id int)');
        await client.query({ text: 'INSERT INTO by_client VALUES ($1)', values: [1] });
        const { rows } = await client.query('SELECT id FROM by_client WHERE id = $1', [1]);
        if (rows[0].id !== 1) throw new Error('no row');
        await new Promise((resolve, reject) =>
          client.query('CREATE TABLE by_callback (id int)', (error) => (error ? reject(error) : resolve())));
        await Promise.all([
          runner.manager.query('CREATE TABLE by_manager (id int)'),
          runner.manager.query('ALTER TABLE by_manager ADD COLUMN more int'),
        ]);
        runner.query('CREATE TABLE not_awaited (id int)');
      `),
    );
    assert.equal(code, EXIT.ok, report.error);
    for (const table of ['by_client', 'by_callback', 'by_manager', 'not_awaited']) {
      assert.equal(await exists(table), true, table);
    }
  });

  it('refuses statements that a migration sends after its end', async () => {
    const late = `setTimeout(() => runner.databaseConnection.query(sql).catch((error) => console.error('late: ' + error.message)), 250);`;
    const next = '1795380000002-next.js';
    const { code, report, stderr } = await up({
      ...sly(late),
      [next]: migrationFile('Next1795380000002', ['SELECT pg_sleep(1)']),
    });
    assert.equal(code, EXIT.config, report.error);
    assert.match(report.error ?? '', /drop: DROP TABLE deployments|sends a statement after the end/);
    assert.equal(await exists('deployments'), true);
    assert.match(stderr, /late: /);
  });

  it('resets the session between migrations: settings, roles and temporary tables do not affect the next migration', async () => {
    await postgres.query(
      `CREATE SCHEMA elsewhere;
       CREATE ROLE elsewhere_${process.pid};
       GRANT ALL ON SCHEMA elsewhere, public TO elsewhere_${process.pid};
       CREATE FUNCTION lead_astray() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
         IF NEW.name = 'session' THEN CREATE TEMPORARY TABLE deployments (id int); END IF;
         PERFORM set_config('search_path', 'elsewhere', NEW.name = 'local');
         PERFORM set_config('session_replication_role', 'replica', NEW.name = 'local');
         PERFORM set_config('default_transaction_read_only', 'on', NEW.name = 'local');
         PERFORM set_config('role', 'elsewhere_${process.pid}', NEW.name = 'local');
         RETURN NEW;
       END$$;
       CREATE TRIGGER lead_astray AFTER INSERT ON services FOR EACH ROW EXECUTE FUNCTION lead_astray();`,
      url,
    );
    const insert = (name: string) => `INSERT INTO services (id, name) VALUES (gen_random_uuid(), '${name}')`;
    const { code, report } = await up({
      '1795380000001-a.js': migrationFile('Astray1795380000001', [insert('session')]),
      '1795380000002-b.js': migrationFile('Table1795380000002', ['CREATE TABLE second (id int)']),
      '1795380000003-c.js': migrationFile('Local1795380000003', [insert('local')]),
      '1795380000004-d.js': migrationFile('Column1795380000004', [
        'ALTER TABLE deployments ADD COLUMN fourth int',
      ]),
    });
    assert.equal(code, EXIT.ok, report.error);
    assert.equal(report.applied.length, 4);
    assert.deepEqual([await exists('public.second'), await exists('elsewhere.second')], [true, false]);
    const [owner] = await postgres.query(
      "SELECT tableowner = current_user AS own FROM pg_tables WHERE tablename = 'second'",
      url,
    );
    assert.equal(owner?.own, true);
    const [column] = await postgres.query(
      "SELECT count(*)::int AS n FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'deployments' AND column_name = 'fourth'",
      url,
    );
    assert.equal(column?.n, 1);
    const recorded = await postgres.query(
      "SELECT FROM public.schema_migrations WHERE name LIKE '%179538%'",
      url,
    );
    assert.equal(recorded.length, 4);
  });
});

function parsed(stdout: string): MigrationReport {
  return migrationReportSchema.parse(JSON.parse(stdout));
}
