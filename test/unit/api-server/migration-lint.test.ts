import assert from 'node:assert/strict';
import { lintContext, lintSql } from '../../../api-server/migration-lint/lint.js';
import { ABSOLUTE, RULES, type RuleName } from '../../../api-server/migration-lint/rules.js';
import type { MigrationPhase } from '../../../contract/image.js';

const plpgsql = (body: string, start = 'CREATE FUNCTION f()') =>
  `${start} RETURNS void LANGUAGE plpgsql AS $$ BEGIN ${body}; END $$`;

const REFUSED_IN_EXPAND: [string, RuleName][] = [
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
  ["SELECT set_config('session_replication_role', 'replica', false)", 'session-state'],
  ["SELECT setval('t_id_seq', 1, false)", 'opaque'],
  ["SELECT set_config('lock_timeout', '0', false)", 'lock-timeout'],
  ["SELECT set_config('lock_' || 'timeout', '0', false)", 'lock-timeout'],
  ['SET "Lock_Timeout" = 0', 'lock-timeout'],
  ['SET transaction_timeout = 0', 'lock-timeout'],
  ['SELECT pg_advisory_unlock_all()', 'run-lock'],
  ['SELECT pg_catalog.pg_try_advisory_xact_lock(1)', 'run-lock'],
  ['DISCARD ALL', 'run-lock'],
  [plpgsql("EXECUTE 'DROP TABLE t'"), 'opaque'],
  [plpgsql("FOR x IN EXECUTE 'SELECT 1' LOOP NULL; END LOOP"), 'opaque'],
  [plpgsql("IF true THEN EXECUTE format('DROP TABLE %I', 't'); END IF"), 'opaque'],
  [plpgsql('DROP TABLE t'), 'drop'],
  ['CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ TRUNCATE t $$', 'delete-rows'],
  ["CREATE FUNCTION f() RETURNS void LANGUAGE c AS 'lib', 'f'", 'opaque'],
  ['SELECT f()', 'opaque'],
  ['SELECT pg_catalog.lower(app.f())', 'opaque'],
  ["SELECT query_to_xml('SELECT 1', true, true, '')", 'opaque'],
  ['INSERT INTO t SELECT f() FROM u', 'opaque'],
  ['INSERT INTO t SELECT * FROM u ON CONFLICT (id) DO UPDATE SET x = 1', 'update-all-rows'],
  [
    'WITH i AS (INSERT INTO t TABLE u ON CONFLICT (id) DO UPDATE SET x = 1 RETURNING 1) SELECT FROM i',
    'update-all-rows',
  ],
  [
    'WITH m AS (MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE RETURNING 1) SELECT FROM m',
    'delete-rows',
  ],
  [
    'WITH m AS (MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET x = 1 RETURNING 1) SELECT FROM m',
    'update-all-rows',
  ],
  [plpgsql('NULL', 'CREATE OR REPLACE FUNCTION f()'), 'replace'],
  ['CREATE OR REPLACE VIEW v AS SELECT 1', 'replace'],
  ['CREATE OR REPLACE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()', 'replace'],
  ['CREATE TABLE p PARTITION OF t FOR VALUES IN (1)', 'attach-partition'],
  ['CREATE TABLE p () INHERITS (t)', 'attach-partition'],
  ['ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1)', 'attach-partition'],
  [
    'ALTER TABLE t ADD CONSTRAINT c CHECK (x > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT c',
    'validate-same-migration',
  ],
  ['CREATE ROLE reader', 'unknown-statement'],
  ['ALTER TABLE t ADD COLUM x int', 'syntax'],
];

const rulesFor = async (sql: string, phase: MigrationPhase = 'expand', transaction = true) =>
  (await lintSql(sql, lintContext(phase, transaction))).map(({ rule }) => rule);

describe('migration lint', () => {
  for (const [sql, rule] of REFUSED_IN_EXPAND) {
    it(`reports ${rule} for ${sql}`, async () => {
      assert.ok((await rulesFor(sql)).includes(rule as never), String(await rulesFor(sql)));
    });
  }

  it('accepts expand statements that are compatible with older versions', async () => {
    for (const sql of [
      'ALTER TABLE t ADD COLUMN x text',
      'ALTER TABLE t ADD COLUMN x timestamptz NOT NULL DEFAULT now()',
      'ALTER TABLE t ADD CONSTRAINT c CHECK (x > 0) NOT VALID',
      `${plpgsql('NULL', 'CREATE FUNCTION g()')}; ${plpgsql('UPDATE u SET x = 1 WHERE id = 2; PERFORM g()')}`,
      `${plpgsql('NULL')}; ${plpgsql('NULL', 'CREATE OR REPLACE FUNCTION f()')}`,
      "INSERT INTO roles VALUES ('a', lower('A')) ON CONFLICT (name) DO UPDATE SET x = 1",
      'CREATE TABLE n (id int) PARTITION BY LIST (id); CREATE TABLE p PARTITION OF n FOR VALUES IN (1)',
      'CREATE TABLE n (id int PRIMARY KEY); INSERT INTO n SELECT id FROM t ON CONFLICT (id) DO UPDATE SET id = 1',
      "SELECT set_config('app.who', 'me', true), count(*), max(upper(name)) FROM t",
      'CREATE TABLE n (id int PRIMARY KEY); CREATE INDEX n_i ON n (id); ALTER TABLE n ALTER id TYPE bigint',
    ]) {
      assert.deepEqual(await rulesFor(sql), [], sql);
    }
    assert.deepEqual(await rulesFor('CREATE INDEX CONCURRENTLY i ON t (x)', 'expand', false), []);
  });

  it('each rule has a reason and a safe alternative', () => {
    for (const [rule, { why, instead }] of Object.entries(RULES)) assert.ok(why && instead, rule);
  });

  it('without a transaction, accepts only statements that can be repeated, and requires names for indexes', async () => {
    const rulesWithoutTransaction = (sql: string) => rulesFor(sql, 'expand', false);
    assert.deepEqual(await rulesWithoutTransaction('CREATE INDEX CONCURRENTLY ON t (x)'), [
      'index-without-name',
    ]);
    assert.deepEqual(await rulesWithoutTransaction('ALTER TABLE t ADD COLUMN x text'), [
      'outside-transaction',
    ]);
    assert.deepEqual(await rulesWithoutTransaction('CREATE TABLE n (id int)'), ['outside-transaction']);
    assert.deepEqual(await rulesWithoutTransaction('ALTER TABLE t VALIDATE CONSTRAINT c'), []);
  });

  it('applies the rules of expand to backfill', async () => {
    for (const [sql, rule] of REFUSED_IN_EXPAND) {
      assert.ok((await rulesFor(sql, 'backfill')).includes(rule), `${rule}: ${sql}`);
    }
  });

  it('rejects the reuse of names that an older contract drops, and additions to tables that it drops', async () => {
    const droppedByContracts = new Set(['column t.x', 'relation gone', 'function f', 'trigger t.tr']);
    const context = () => lintContext('expand', true, { droppedByContracts });
    const rules = async (sql: string) => (await lintSql(sql, context())).map(({ rule }) => rule);
    for (const sql of [
      'ALTER TABLE t ADD COLUMN IF NOT EXISTS x text',
      'ALTER TABLE public.t ADD COLUMN x int',
      'CREATE TABLE gone (id int)',
      'CREATE VIEW gone AS SELECT 1',
      'SELECT x INTO gone FROM u',
      'CREATE TABLE gone AS SELECT x FROM u',
      'CREATE TABLE n (id int); ALTER TABLE n RENAME TO gone',
      'ALTER TABLE u ADD COLUMN y int CONSTRAINT gone REFERENCES u (id)',
      'ALTER TABLE gone ADD COLUMN y int',
      plpgsql('NULL'),
      'CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION g()',
    ]) {
      assert.deepEqual(await rules(sql), ['name-reused'], sql);
    }
    assert.deepEqual(await rules('ALTER TABLE t ADD COLUMN y text; ALTER TABLE u ADD COLUMN x text'), []);
  });

  it('contract can drop objects, but cannot block reads and writes', async () => {
    assert.deepEqual(await rulesFor('ALTER TABLE t DROP COLUMN x', 'contract'), []);
    assert.deepEqual(await rulesFor('CREATE INDEX i ON t (x)', 'contract'), ['index-not-concurrent']);
    assert.deepEqual(await rulesFor('SELECT pg_advisory_unlock(1)', 'contract'), ['run-lock']);
  });

  it('an allow comment does not suppress rules that protect the migration runner', async () => {
    const absolute: [string, RuleName][] = [
      ['CREATE INDEX CONCURRENTLY i ON t (x)', 'needs-own-transaction'],
      ['COMMIT', 'transaction-control'],
      ['SELECT pg_advisory_unlock_all()', 'run-lock'],
      ['SET search_path = app', 'session-state'],
      ['ALTER TABLE t ADD COLUM x int', 'syntax'],
    ];
    for (const [sql, rule] of absolute) {
      const rules = await rulesFor(`-- lint:allow ${rule}: it is surely safe, this once\n${sql}`);
      assert.ok(rules.includes(rule), `${rule} was suppressed`);
    }
    const reused = lintContext('expand', true, { droppedByContracts: new Set(['column t.x']) });
    const sql = '-- lint:allow name-reused: every database has it behind it\nALTER TABLE t ADD COLUMN x text';
    assert.deepEqual(
      (await lintSql(sql, reused)).map(({ rule }) => rule),
      ['name-reused'],
    );
    const testedRules = [...absolute.map(([, rule]) => rule), 'name-reused', 'allow-without-reason'];
    assert.deepEqual([...ABSOLUTE].sort(), testedRules.sort());
  });

  it('an allow comment requires a reason and an existing rule, and suppresses only that rule', async () => {
    const sql = 'ALTER TABLE t DROP COLUMN x';
    assert.deepEqual(await rulesFor(`-- lint:allow drop-column: never reached production\n${sql}`), []);
    assert.deepEqual(
      await rulesFor(`-- lint:allow drop-column: never reached production\n${sql};\n${sql}`),
      ['drop-column'],
      'an allow comment applies only to the next statement',
    );
    assert.ok((await rulesFor(`-- lint:allow drop-column\n${sql}`)).includes('drop-column'));
    assert.ok((await rulesFor(`-- lint:allow drop-column\n${sql}`)).includes('allow-without-reason'));
    assert.ok(
      (await rulesFor(`-- lint:allow rename: never reached production\n${sql}`)).includes('drop-column'),
    );
  });
});
