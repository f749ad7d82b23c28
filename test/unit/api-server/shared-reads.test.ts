import assert from 'node:assert/strict';
import type { Access } from '../../../api-server/database/access.js';
import { DatabaseSession, databaseSession } from '../../../api-server/database/pool/session.js';
import { SharedReads, type SharedRow } from '../../../api-server/database/routing/shared-reads.js';

const ACCESS: Access = { mode: 'read', tables: ['services'] };
const BY_NAME = { access: ACCESS, sql: 'SELECT ... = ANY ($1)', key: 'name' };
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** Records statements. Lookups return a row per key; the key `invalid` fails as in PostgreSQL. */
class Database {
  readonly ran: { text: string; values: unknown[] | undefined; session: DatabaseSession | undefined }[] = [];
  readonly reads = new SharedReads((_access, text, values) => this.#run(text, values));
  /** Statements wait for it. */
  gate: Promise<void> = Promise.resolve();

  async #run(text: string, values: unknown[] | undefined): Promise<{ rows: SharedRow[] }> {
    const session = databaseSession.getStore();
    this.ran.push({ text, values, session });
    await this.gate;
    const keys = (values?.[0] ?? []) as unknown;
    if (!Array.isArray(keys)) return { rows: [{ number: this.ran.length }] };
    if (keys.includes('invalid')) throw Object.assign(new Error('invalid byte sequence'), { code: '22021' });
    return { rows: keys.map((name) => ({ name })) };
  }
}

describe('SharedReads', () => {
  it('runs identical concurrent statements once, and others separately', async () => {
    const database = new Database();
    const [one, same, other] = await Promise.all(
      [1, 1, 2].map((value) => database.reads.rows(ACCESS, 'SELECT $1', [value])),
    );
    assert.equal(database.ran.length, 2);
    assert.deepEqual(same, one);
    assert.notDeepEqual(other, one);
  });

  it('does not join a statement that has started, so that a client reads its own writes', async () => {
    const database = new Database();
    let open = () => {};
    database.gate = new Promise((resolve) => {
      open = resolve;
    });
    const first = database.reads.rows(ACCESS, 'SELECT $1', [1]);
    await nextTurn();
    assert.equal(database.ran.length, 1);
    const second = database.reads.rows(ACCESS, 'SELECT $1', [1]);
    await nextTurn();
    assert.equal(database.ran.length, 2);
    open();
    assert.deepEqual(await Promise.all([first, second]), [[{ number: 2 }], [{ number: 2 }]]);
  });

  it('looks up the keys of concurrent requests with one statement', async () => {
    const database = new Database();
    const found = await Promise.all(
      [['a', 'b'], ['b'], ['c']].map((keys) => database.reads.byKey(BY_NAME, keys)),
    );
    assert.deepEqual(
      database.ran.map(({ values }) => values),
      [[['a', 'b', 'c']]],
    );
    assert.deepEqual(found[2]?.get('c'), { name: 'c' });
  });

  it('returns the error of an invalid key only to its request', async () => {
    const database = new Database();
    const [good, bad] = await Promise.allSettled([
      database.reads.byKey(BY_NAME, ['a']),
      database.reads.byKey(BY_NAME, ['invalid']),
    ]);
    assert.equal(good.status === 'fulfilled' && good.value.get('a')?.name, 'a');
    assert.equal(bad.status, 'rejected');
  });

  it('runs a lookup with many keys by itself', async () => {
    const database = new Database();
    const many = Array.from({ length: 600 }, (_, index) => `key-${index}`);
    await Promise.all([database.reads.byKey(BY_NAME, many), database.reads.byKey(BY_NAME, many)]);
    assert.equal(database.ran.length, 2);
  });

  it('cancels the statement when all its requests are cancelled', async () => {
    const database = new Database();
    database.gate = new Promise(() => {});
    const sessions = [new DatabaseSession(), new DatabaseSession()];
    for (const session of sessions) {
      void databaseSession.run(session, () => database.reads.rows(ACCESS, 'SELECT $1', [1])).catch(() => {});
    }
    await nextTurn();
    sessions[0]?.cancel(new Error('deadline'));
    assert.equal(database.ran[0]?.session?.isCancelled, false);
    sessions[1]?.cancel(new Error('deadline'));
    assert.equal(database.ran[0]?.session?.isCancelled, true);
  });

  it('rejects a cancelled request, but not the others of its statement', async () => {
    const database = new Database();
    const session = new DatabaseSession();
    const cancelled = databaseSession.run(session, () => database.reads.rows(ACCESS, 'SELECT $1', [1]));
    const other = database.reads.rows(ACCESS, 'SELECT $1', [1]);
    session.cancel(new Error('deadline'));
    await assert.rejects(cancelled, /deadline/);
    assert.deepEqual(await other, [{ number: 1 }]);
  });

  it('records the tables for each request', async () => {
    const database = new Database();
    const sessions = [new DatabaseSession(), new DatabaseSession()];
    const tracked = sessions.map((session) => session.trackTables().reads);
    await Promise.all(
      sessions.map((session) =>
        databaseSession.run(session, () => database.reads.rows(ACCESS, 'SELECT $1', [1])),
      ),
    );
    assert.deepEqual(
      tracked.map((tables) => [...tables]),
      [['services'], ['services']],
    );
  });
});
