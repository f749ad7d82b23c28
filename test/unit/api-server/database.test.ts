import assert from 'node:assert/strict';
import fc from 'fast-check';
import { RecentWriters } from '../../../api-server/platform/database/recent-writers.js';
import { formatLsn, parseLsn } from '../../../api-server/platform/database/session.js';
import { statementKind } from '../../../api-server/platform/database/statement-kind.js';

describe('api-server database rules', () => {
  it('only what can do no harm on a replica is a read', () => {
    const kinds = {
      'SELECT 1': 'read',
      '  select * from services WHERE updated_at > $1': 'read',
      'WITH a AS (SELECT 1) SELECT * FROM a': 'read',
      'SELECT "deployment"."updated_at" FROM "deployments" "deployment"': 'read',
      'SELECT 1 FROM a FOR UPDATE': 'write',
      'SELECT 1 FROM a FOR NO KEY UPDATE SKIP LOCKED': 'write',
      'SELECT 1 FROM a FOR SHARE': 'write',
      'WITH a AS (DELETE FROM b RETURNING *) SELECT * FROM a': 'write',
      'WITH a AS (UPDATE b SET c = 1 RETURNING *) SELECT * FROM a': 'write',
      'WITH a AS (INSERT INTO b VALUES (1) RETURNING *) SELECT * FROM a': 'write',
      "SELECT nextval('a')": 'write',
      'SELECT pg_advisory_xact_lock(1)': 'write',
      "SELECT pg_notify('a', 'b')": 'write',
      'SELECT * INTO a FROM b': 'write',
      'INSERT INTO a VALUES (1)': 'write',
      'TRUNCATE a': 'write',
      'CALL a()': 'write',
      BEGIN: 'begin',
      'START TRANSACTION': 'begin',
      'START TRANSACTION ISOLATION LEVEL SERIALIZABLE': 'begin',
      COMMIT: 'end',
      ROLLBACK: 'end',
      'ROLLBACK TO SAVEPOINT typeorm_1': 'write',
      'SAVEPOINT typeorm_1': 'write',
    } as const;
    for (const [sql, kind] of Object.entries(kinds)) assert.equal(statementKind(sql), kind, sql);
  });

  it('a position in the log is its text again, and orders as the log does', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }), (lsn) => {
        assert.equal(parseLsn(formatLsn(lsn)), lsn);
      }),
    );
    assert.ok((parseLsn('1/0') ?? 0n) > (parseLsn('0/FFFFFFFF') ?? 0n));
    for (const bad of ['', '1', '1/', 'x/y', '1/123456789', "0/0'; DROP", undefined]) {
      assert.equal(parseLsn(bad), undefined);
    }
  });

  it('remembers who wrote for a while, and no more of them than it may', () => {
    const writers = new RecentWriters(60_000, 2);
    writers.note('a', 1n);
    writers.note('b', 2n);
    writers.note('a', 3n);
    writers.note('c', 4n);
    assert.deepEqual(
      ['a', 'b', 'c'].map((name) => writers.lsnOf(name)),
      [3n, undefined, 4n],
    );
    const short = new RecentWriters(0, 2);
    short.note('a', 1n);
    assert.equal(short.lsnOf('a'), undefined);
  });
});
