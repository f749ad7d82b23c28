import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import pg from 'pg';
import { statementsOf } from '../../../api-server/migration-lint/lint.js';
import { dryRun } from '../../../api-server/migrations/engine/dry-run.js';
import { lockedTables } from '../../../api-server/migrations/engine/locked-tables.js';

const CASES: [sql: string, locks: string[]][] = [
  ['ALTER TABLE t ADD COLUMN x int', ['"t" AccessExclusive']],
  ['ALTER TABLE app."T""x" DROP COLUMN x', ['"app"."T""x" AccessExclusive']],
  [
    'ALTER TABLE t ADD FOREIGN KEY (x) REFERENCES u (id) NOT VALID',
    ['"t" ShareRowExclusive', '"u" ShareRowExclusive'],
  ],
  ['ALTER TABLE t ADD COLUMN x int REFERENCES u', ['"t" AccessExclusive', '"u" ShareRowExclusive']],
  ['ALTER TABLE t VALIDATE CONSTRAINT c', []],
  ['ALTER TABLE t ALTER x SET STATISTICS 100', []],
  ['ALTER TABLE t VALIDATE CONSTRAINT c, ADD COLUMN x int', ['"t" AccessExclusive']],
  ['ALTER TABLE t RENAME COLUMN x TO y', ['"t" AccessExclusive']],
  ['ALTER TABLE t SET SCHEMA app', ['"t" AccessExclusive']],
  ['CREATE TABLE n (id int REFERENCES u)', ['"u" ShareRowExclusive']],
  ['CREATE TABLE n (id int, FOREIGN KEY (id) REFERENCES u)', ['"u" ShareRowExclusive']],
  ['CREATE TABLE n PARTITION OF t FOR VALUES IN (1)', ['"t" AccessExclusive']],
  ['CREATE TABLE n (id int)', []],
  ['CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()', ['"t" ShareRowExclusive']],
  ['CREATE POLICY p ON t', ['"t" AccessExclusive']],
  ['CREATE RULE r AS ON INSERT TO t DO NOTHING', ['"t" AccessExclusive']],
  ['CREATE INDEX i ON t (x)', ['"t" Share']],
  ['CREATE INDEX CONCURRENTLY i ON t (x)', []],
  ['DROP INDEX CONCURRENTLY i', []],
  ['DROP INDEX i', ['"i" AccessExclusive']],
  ['DROP TABLE t, app.u', ['"t" AccessExclusive', '"app"."u" AccessExclusive']],
  ['DROP TRIGGER g ON app.t', ['"app"."t" AccessExclusive']],
  ['DROP FUNCTION f()', []],
  ['TRUNCATE t', ['"t" AccessExclusive']],
  ['INSERT INTO t VALUES (1)', []],
  ['SELECT FROM t', []],
];

describe('locks of migration statements', () => {
  for (const [sql, expected] of CASES) {
    it(`${sql}: ${expected.join(', ') || 'none that the traffic conflicts with'}`, async () => {
      const locks = (await statementsOf(sql)).flatMap(lockedTables);
      assert.deepEqual(
        locks.map(({ table, mode }) => `${table} ${mode}`),
        expected,
      );
    });
  }
});

describe('dryRun', () => {
  it('does not open the connections that a migration opens', async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    try {
      for (const Opener of [pg.Client, pg.Pool]) {
        const migration = {
          up: async () => {
            await new Opener({ host: '127.0.0.1', port }).query('DROP TABLE services');
          },
          down: async () => {},
        };
        const client = new pg.Client({ host: '127.0.0.1', port });
        const connecting = { up: async () => void (await client.connect()), down: async () => {} };
        for (const one of [migration, connecting]) assert.equal((await dryRun(one)).dynamic, true);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(connections, 0);
    } finally {
      server.close();
    }
  });
});
