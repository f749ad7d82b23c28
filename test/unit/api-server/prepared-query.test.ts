import assert from 'node:assert/strict';
import type pg from 'pg';
import { observedClient } from '../../../api-server/database/pool/observed-client.js';
import { FakePostgres } from '../../support/servers/fake-postgres.js';

const SQL = 'SELECT name FROM notes WHERE id = $1';

describe('prepared statement', () => {
  let server: FakePostgres;
  let client: pg.Client;

  beforeEach(async () => {
    server = new FakePostgres();
    const Client = observedClient({ server: 'primary', prepared: true, observe: () => undefined });
    client = new Client({ stream: () => server, user: 'test', database: 'test' } as pg.ClientConfig);
    await client.connect();
    server.writes.length = 0;
  });

  const rows = async () => (await client.query(SQL, [1])).rows;

  it('is one write per execution, and its columns are requested once per connection', async () => {
    server.row = ['first'];
    assert.deepEqual(await rows(), [{ name: 'first' }]);
    server.row = ['second'];
    assert.deepEqual(await rows(), [{ name: 'second' }]);
    assert.deepEqual(server.writes, ['Parse Bind Describe Execute Sync', 'Bind Execute Sync']);
  });

  it('runs once after a value that cannot be serialized', async () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    await assert.rejects(client.query(SQL, [circular]), /circular/i);
    assert.deepEqual(await rows(), [{ name: 'a row' }]);
    assert.equal(server.executed, 1);
  });

  for (const [state, situation] of [
    ['0A000', 'its columns changed'],
    ['26000', 'the connection lacks it'],
    ['42P05', 'another process prepared it'],
  ]) {
    it(`runs unprepared when ${situation} (SQLSTATE ${state})`, async () => {
      await rows();
      server.rejectNamed = state;
      assert.deepEqual([await rows(), await rows()], [[{ name: 'a row' }], [{ name: 'a row' }]]);
      assert.equal(server.executed, 3);
    });
  }

  it('fails without a SQLSTATE when a pooler prepared it again with another number of columns', async () => {
    await rows();
    server.row = ['one', 'two'];
    await assert.rejects(rows(), (error: Error & { code?: string }) => {
      assert.match(error.message, /^the columns of pcf_[0-9a-f]{32} have changed$/);
      return error.code === undefined;
    });
  });

  it('has the same name in each process, and another name than other statements', async () => {
    await rows();
    await client.query(`${SQL} AND owner = $2`, [1, 'me']);
    const [one, other] = server.prepared;
    const again = new FakePostgres();
    const Client = observedClient({ server: 'primary', prepared: true, observe: () => undefined });
    const second = new Client({ stream: () => again, user: 'test', database: 'test' } as pg.ClientConfig);
    await second.connect();
    await second.query('SELECT $1 AS other', [1]);
    await second.query(SQL, [1]);
    assert.deepEqual([again.prepared.has(one!), again.prepared.has(other!)], [true, false]);
  });
});
