import assert from 'node:assert/strict';
import { lintContext, lintSql } from '../../../api-server/platform/migrations/lint/lint.js';

const REFUSED_IN_EXPAND: [string, string][] = [
  ['ALTER TABLE t DROP COLUMN x', 'drop-column'],
  ['DROP TABLE t', 'drop'],
  ['WITH gone AS (DELETE FROM t RETURNING 1) SELECT count(*) FROM gone', 'delete-rows'],
  ['TRUNCATE t', 'delete-rows'],
  ['ALTER TABLE t RENAME COLUMN x TO y', 'rename'],
  ['ALTER TABLE t ALTER x TYPE bigint', 'type-change'],
  ['ALTER TABLE t ALTER x SET NOT NULL', 'set-not-null'],
  ['ALTER TABLE t ADD COLUMN x int NOT NULL', 'add-not-null-column'],
  ['ALTER TABLE t ADD COLUMN x uuid DEFAULT gen_random_uuid()', 'volatile-default'],
  ['ALTER TABLE t ADD COLUMN x bigserial', 'rewrite'],
  ['ALTER TABLE t ALTER x DROP DEFAULT', 'drop-default'],
  ['CREATE INDEX i ON t (x)', 'index-not-concurrent'],
  ['DROP INDEX i', 'drop-index-not-concurrent'],
  ['ALTER TABLE t ADD CONSTRAINT c CHECK (x > 0)', 'constraint-not-valid'],
  ['ALTER TABLE t ADD CONSTRAINT c UNIQUE (x)', 'constraint-not-valid'],
  ['SET lock_timeout = 0', 'lock-timeout'],
  ['LOCK TABLE t', 'table-lock'],
  ['UPDATE t SET x = 1', 'update-all-rows'],
  ['CREATE INDEX CONCURRENTLY i ON t (x)', 'needs-own-transaction'],
  ['COMMIT', 'transaction-control'],
  ["DO $$ BEGIN EXECUTE 'DROP TABLE t'; END $$", 'opaque'],
  ['CREATE ROLE someone', 'unknown-statement'],
  ['ALTER TABLE t ADD COLUM x int', 'syntax'],
];

const rulesFor = async (sql: string, phase: 'expand' | 'contract' = 'expand', transaction = true) =>
  (await lintSql(sql, lintContext(phase, transaction))).map(({ rule }) => rule);

describe('migration lint', () => {
  for (const [sql, rule] of REFUSED_IN_EXPAND) {
    it(`${rule}: ${sql}`, async () => {
      assert.ok((await rulesFor(sql)).includes(rule as never), String(await rulesFor(sql)));
    });
  }

  it('lets pass what an older version does not notice', async () => {
    for (const sql of [
      'ALTER TABLE t ADD COLUMN x text',
      'ALTER TABLE t ADD COLUMN x timestamptz NOT NULL DEFAULT now()',
      'ALTER TABLE t ADD CONSTRAINT c CHECK (x > 0) NOT VALID',
      'CREATE TABLE n (id int PRIMARY KEY); CREATE INDEX n_i ON n (id); ALTER TABLE n ALTER id TYPE bigint',
    ]) {
      assert.deepEqual(await rulesFor(sql), [], sql);
    }
    assert.deepEqual(await rulesFor('CREATE INDEX CONCURRENTLY i ON t (x)', 'expand', false), []);
  });

  it('contract may drop, but not stop the traffic', async () => {
    assert.deepEqual(await rulesFor('ALTER TABLE t DROP COLUMN x', 'contract'), []);
    assert.deepEqual(await rulesFor('CREATE INDEX i ON t (x)', 'contract'), ['index-not-concurrent']);
  });

  it('an allow comment needs a reason and a rule that exists, and lifts that rule alone', async () => {
    const sql = 'ALTER TABLE t DROP COLUMN x';
    assert.deepEqual(await rulesFor(`-- lint:allow drop-column: never reached production\n${sql}`), []);
    assert.deepEqual(
      await rulesFor(`-- lint:allow drop-column: never reached production\n${sql};\n${sql}`),
      ['drop-column'],
      'only the statement it stands before',
    );
    assert.ok((await rulesFor(`-- lint:allow drop-column\n${sql}`)).includes('drop-column'));
    assert.ok((await rulesFor(`-- lint:allow drop-column\n${sql}`)).includes('allow-without-reason'));
    assert.ok(
      (await rulesFor(`-- lint:allow rename: never reached production\n${sql}`)).includes('drop-column'),
    );
  });
});
