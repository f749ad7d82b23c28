import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { statementsOf } from '../../../api-server/migration-lint/lint.js';
import { loadMigrations } from '../../../api-server/migrations/engine/known-migrations.js';
import { lockedTables } from '../../../api-server/migrations/engine/locked-tables.js';

const CASES: [sql: string, locks: string[]][] = [
  ['ALTER TABLE t ADD COLUMN x int', ['"t" ACCESS EXCLUSIVE']],
  ['ALTER TABLE app."T""x" DROP COLUMN x', ['"app"."T""x" ACCESS EXCLUSIVE']],
  [
    'ALTER TABLE t ADD FOREIGN KEY (x) REFERENCES u (id) NOT VALID',
    ['"t" SHARE ROW EXCLUSIVE', '"u" SHARE ROW EXCLUSIVE'],
  ],
  ['ALTER TABLE t ADD COLUMN x int REFERENCES u', ['"t" ACCESS EXCLUSIVE', '"u" SHARE ROW EXCLUSIVE']],
  ['ALTER TABLE t VALIDATE CONSTRAINT c', []],
  ['ALTER TABLE t ALTER x SET STATISTICS 100', []],
  ['ALTER TABLE t VALIDATE CONSTRAINT c, ADD COLUMN x int', ['"t" ACCESS EXCLUSIVE']],
  ['ALTER TABLE t RENAME COLUMN x TO y', ['"t" ACCESS EXCLUSIVE']],
  ['ALTER TABLE t SET SCHEMA app', ['"t" ACCESS EXCLUSIVE']],
  ['CREATE TABLE n (id int REFERENCES u)', ['"u" SHARE ROW EXCLUSIVE']],
  ['CREATE TABLE n (id int, FOREIGN KEY (id) REFERENCES u)', ['"u" SHARE ROW EXCLUSIVE']],
  ['CREATE TABLE n PARTITION OF t FOR VALUES IN (1)', ['"t" ACCESS EXCLUSIVE']],
  ['CREATE TABLE n () INHERITS (t)', []],
  ['CREATE TABLE n (id int)', []],
  ['ALTER TABLE t ATTACH PARTITION app.p FOR VALUES IN (1)', ['"app"."p" ACCESS EXCLUSIVE']],
  ['ALTER TABLE t DISABLE TRIGGER g', ['"t" SHARE ROW EXCLUSIVE']],
  ['ALTER TABLE t DISABLE TRIGGER g, ADD COLUMN x int', ['"t" ACCESS EXCLUSIVE']],
  ['LOCK TABLE t IN EXCLUSIVE MODE', ['"t" EXCLUSIVE']],
  ['LOCK TABLE t IN ROW EXCLUSIVE MODE', []],
  ['REFRESH MATERIALIZED VIEW v', ['"v" ACCESS EXCLUSIVE']],
  ['CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()', ['"t" SHARE ROW EXCLUSIVE']],
  ['CREATE POLICY p ON t', ['"t" ACCESS EXCLUSIVE']],
  ['CREATE RULE r AS ON INSERT TO t DO NOTHING', ['"t" ACCESS EXCLUSIVE']],
  ['CREATE INDEX i ON t (x)', ['"t" SHARE']],
  ['CREATE INDEX CONCURRENTLY i ON t (x)', []],
  ['DROP INDEX CONCURRENTLY i', []],
  ['DROP INDEX i', ['"i" ACCESS EXCLUSIVE']],
  ['DROP TABLE t, app.u', ['"t" ACCESS EXCLUSIVE', '"app"."u" ACCESS EXCLUSIVE']],
  ['DROP TRIGGER g ON app.t', ['"app"."t" ACCESS EXCLUSIVE']],
  ['DROP FUNCTION f()', []],
  ['TRUNCATE t', ['"t" ACCESS EXCLUSIVE']],
  ['INSERT INTO t VALUES (1)', []],
  ['SELECT FROM t', []],
];

describe('lockedTables', () => {
  for (const [sql, expected] of CASES) {
    it(`${sql} takes ${expected.join(', ') || 'no lock that blocks reads or writes'}`, async () => {
      const locks = (await statementsOf(sql)).flatMap(lockedTables);
      assert.deepEqual(
        locks.map(({ table, mode }) => `${table} ${mode}`),
        expected,
      );
    });
  }
});

describe('loadMigrations', () => {
  let connections = 0;
  let port = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  const folder = mkdtempSync(join(tmpdir(), 'pcf-test-migrations-'));
  const openers = ['await client.connect()', "await client.query('DROP TABLE services')"];

  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
    symlinkSync(join(import.meta.dirname, '../../../../node_modules'), join(folder, 'node_modules'));
  });
  after(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Loads a module with a client or pool, and with code at the top level, in the class and in `up`. */
  const load = (kind: string, { top = '', field = '', up = '' }) => {
    const file = join(folder, `${crypto.randomUUID()}.mjs`);
    writeFileSync(
      file,
      `import pg from 'pg';
       const client = new pg.${kind}({ host: '127.0.0.1', port: ${port} });
       client.on('error', () => undefined);
       ${top}
       export class Add1795380000001 {
         static phase = 'expand';
         constructor() { (async () => { ${field} })().catch(() => undefined); }
         async up(runner) { ${up} }
       }`,
    );
    return loadMigrations(pathToFileURL(file));
  };

  for (const kind of ['Client', 'Pool']) {
    for (const opener of openers.filter((one) => kind === 'Pool' || !one.includes('query'))) {
      it(`opens no database connection while a migration is loaded: pg.${kind}, ${opener}`, async () => {
        const [migration] = await load(kind, { field: opener, up: opener });
        assert.equal(migration?.dry.dynamic, true);
        await assert.rejects(load(kind, { top: opener }), /uses a database before it is run/);
        await setTimeout(50);
        assert.equal(connections, 0);
      });
    }
  }
});
