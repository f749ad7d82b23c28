import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { generate } from 'selfsigned';
import { observedClient } from '../../../api-server/database/pool/observed-client.js';
import { DatabaseSession } from '../../../api-server/database/pool/session.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { PgBouncer } from '../../support/servers/pgbouncer.js';
import { startPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { openDatabase, READ, WRITE } from './database-under-test.js';

describe('api-server database', () => {
  let primary: TestPostgres;
  let url: string;
  let folder: string;

  before(async () => {
    primary = await startPostgres();
    url = await primary.createDatabase();
    await primary.query('CREATE TABLE notes (id int PRIMARY KEY, text text)', url);
    folder = mkdtempSync(join(tmpdir(), 'pcf-test-database-'));
  });
  beforeEach(() => primary.query('TRUNCATE notes', url));
  after(async () => {
    await primary?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  describe('retries and circuit breaker', () => {
    const TERMINATE = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = 'pcf-api' AND state = 'active' AND query LIKE '%slept%' AND pid <> pg_backend_pid()`;
    const terminate = () =>
      eventually('the statement is terminated', async () => (await primary.query(TERMINATE, url)).length > 0);

    it('retries a read whose connection is lost', async () => {
      await using under = await openDatabase(url);
      const read = under.read('SELECT pg_sleep(0.3), 1 AS slept');
      await terminate();
      assert.deepEqual(
        (await read).map((row) => (row as { slept: number }).slept),
        [1],
      );
      assert.deepEqual(under.retries, ['read']);
    });

    it('does not retry a write whose connection is lost, because it may have been committed', async () => {
      await using under = await openDatabase(url);
      const write = under.database.dataSource.runSql(
        WRITE,
        "INSERT INTO notes SELECT 1, 'slept' FROM pg_sleep(0.5)",
      );
      const refused = assert.rejects(write, /terminat/i);
      await terminate();
      await refused;
      assert.deepEqual(under.retries, []);
      assert.equal((await primary.query('SELECT 1 FROM notes', url)).length, 0);
    });

    it('opens the circuit after consecutive failures and closes it after recovery', async () => {
      await using under = await openDatabase(url, { probe_interval: 60_000 });
      await primary.stop();
      const read = () =>
        under.read('SELECT 1 AS one').then(
          () => 'ok',
          () => 'failed',
        );
      for (let tries = 0; tries < 3; tries += 1) assert.equal(await read(), 'failed');
      assert.equal(under.database.pools[0]?.circuitIsOpen, true);
      await primary.start();
      await eventually('reads succeed', async () => (await read()) === 'ok');
      assert.equal(under.database.pools[0]?.circuitIsOpen, false);
    });

    it('does not retry an invalid statement and does not open the circuit', async () => {
      await using under = await openDatabase(url);
      for (let tries = 0; tries < 10; tries += 1) {
        await assert.rejects(under.read('SELECT nonsense'), /nonsense/);
      }
      assert.deepEqual([under.retries, under.database.pools[0]?.circuitIsOpen], [[], false]);
    });

    for (const way of ['directly', 'over TLS', 'through PgBouncer'] as const) {
      it(`cancels the statement of an aborted request on the server (${way})`, async function () {
        const isPooled = way === 'through PgBouncer';
        const bouncer = isPooled ? await PgBouncer.start(url, 'transaction') : undefined;
        if (isPooled && !bouncer) return this.skip();
        const direct = way === 'over TLS' ? await enableTls() : url;
        try {
          await using under = await openDatabase(bouncer?.url ?? direct);
          const session = new DatabaseSession();
          const running = under.as(session, READ, 'SELECT pg_sleep(60) AS cancelled_with_its_request');
          const refused = assert.rejects(running, /canceling statement/);
          const ACTIVE = `SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()
            AND query LIKE '%cancelled_with_its_request%'`;
          await eventually('the statement runs', async () => (await primary.query(ACTIVE, url)).length === 1);
          session.cancel(new Error('the request has ended'));
          await refused;
          assert.equal((await primary.query(ACTIVE, url)).length, 0);
          await assert.rejects(under.as(session, READ, 'SELECT 1'), /the request has ended/);
          assert.equal(under.database.pools[0]?.figures.idle, under.database.pools[0]?.figures.total);
        } finally {
          await bouncer?.stop();
        }
      });
    }

    /** Enables TLS on the server and returns a URL that uses it. */
    async function enableTls(): Promise<string> {
      const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }]);
      for (const [file, text] of Object.entries({ 'tls.crt': cert, 'tls.key': key })) {
        const base64 = Buffer.from(text).toString('base64');
        await primary.query(`COPY (SELECT '${base64}') TO PROGRAM 'umask 077; base64 -d > ${file}'`, url);
        await primary.query(
          `ALTER SYSTEM SET ssl_${file.slice(4) === 'crt' ? 'cert' : 'key'}_file = '${file}'`,
          url,
        );
      }
      await primary.query('ALTER SYSTEM SET ssl = on', url);
      await primary.query('SELECT pg_reload_conf()', url);
      const { port } = new URL(url);
      const isOn = () => primary.query('SHOW ssl', url).then(([row]) => row?.ssl === 'on');
      await eventually(`the server on port ${port} accepts TLS connections`, isOn);
      return `${url}?sslmode=no-verify`;
    }
  });

  describe('database credentials in a file', () => {
    const as = (password: string) => {
      const other = new URL(url);
      other.username = 'app';
      other.password = password;
      return other.href;
    };

    beforeEach(async () => {
      await primary.query('DROP OWNED BY app', url).catch(() => undefined);
      await primary.query('DROP ROLE IF EXISTS app', url);
      await primary.query("CREATE ROLE app LOGIN PASSWORD 'one'", url);
      await primary.query('GRANT ALL ON notes TO app', url);
    });

    it('are rotated under load without a failed request, and the old connections are closed', async () => {
      const file = join(folder, 'database-url');
      writeFileSync(file, `${as('one')}\n`);
      await using under = await openDatabase(as('one'), { url_file: file });
      let [running, done] = [true, 0];
      const load = Array.from({ length: 8 }, async () => {
        while (running) {
          await under.read('SELECT count(*) FROM notes');
          done += 1;
        }
      });
      await eventually('100 reads are done', () => done > 100);
      const old = await primary.query<{ pid: number }>(
        "SELECT pid FROM pg_stat_activity WHERE usename = 'app' AND application_name = 'pcf-api'",
        url,
      );
      assert.ok(old.length > 0);
      await primary.query("ALTER ROLE app PASSWORD 'two'", url);
      writeFileSync(file, `${as('two')}\n`);
      const pids = old.map(({ pid }) => pid);
      await eventually('the old connections are closed', async () => {
        const left = await primary.query('SELECT 1 FROM pg_stat_activity WHERE pid = ANY($1)', url, [pids]);
        return left.length === 0;
      });
      const before = done;
      await eventually('100 reads are done on new connections', () => done > before + 100);
      running = false;
      await Promise.all(load);
      assert.ok(under.logs.some(({ msg }) => msg === 'database credentials reloaded'));
      assert.doesNotMatch(JSON.stringify(under.logs), /two/);
    });

    it('stay in use while the server rejects the new ones', async () => {
      const file = join(folder, 'database-url-early');
      writeFileSync(file, as('one'));
      await using under = await openDatabase(as('one'), { url_file: file });
      writeFileSync(file, as('two'));
      await eventually('the new credentials are rejected', () =>
        under.logs.some(({ msg }) => msg === 'new database credentials rejected, keeping the previous ones'),
      );
      await under.read('SELECT count(*) FROM notes');
      await primary.query("ALTER ROLE app PASSWORD 'two'", url);
      await eventually('the new credentials are in use', () =>
        under.logs.some(({ msg }) => msg === 'database credentials reloaded'),
      );
      await under.read('SELECT count(*) FROM notes');
    });

    it('are reloaded immediately when the server rejects the old ones', async () => {
      const file = join(folder, 'database-url-late');
      writeFileSync(file, as('one'));
      await using under = await openDatabase(as('one'), { url_file: file });
      await primary.query("ALTER ROLE app PASSWORD 'two'", url);
      writeFileSync(file, as('two'));
      await primary.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'",
        url,
      );
      const reads = Array.from({ length: 5 }, () => under.read('SELECT 1'));
      await Promise.all(reads);
    });
  });

  it('fails no request when a migration changes the result columns of a prepared statement', async () => {
    await using under = await openDatabase(url, { max_connections: 2 });
    const read = () => under.read('SELECT * FROM notes WHERE id = $1', [1]);
    await primary.query("INSERT INTO notes VALUES (1, 'x')", url);
    await read();
    await primary.query('ALTER TABLE notes ADD COLUMN more int', url);
    assert.deepEqual(await read(), [{ id: 1, text: 'x', more: null }]);
    await primary.query('ALTER TABLE notes DROP COLUMN more', url);
    assert.deepEqual(await read(), [{ id: 1, text: 'x' }]);
  });

  it('requests the columns of a prepared statement once per connection, also after an invalid value', async () => {
    const prepared = new (observedClient({ server: 'primary', prepared: true, observe: () => undefined }))(
      url,
    );
    const other = new Client(url);
    let descriptions = 0;
    const { connection } = prepared as unknown as { connection: EventEmitter };
    connection.on('rowDescription', () => (descriptions += 1));
    await Promise.all([prepared.connect(), other.connect()]);
    try {
      const sql = `SELECT $1::int AS number, $2::timestamptz AS at, $3::jsonb AS document, ARRAY[$1::int] AS list
        FROM generate_series(1, $4::int)`;
      const rows: unknown[][] = [
        [1, new Date(0), '{"a":[1,null]}', 1],
        [null, null, null, 3],
        [2, '2026-01-02T03:04:05.678Z', '"text"', 0],
      ];
      for (const values of rows) {
        const [result, expected] = await Promise.all([prepared.query(sql, values), other.query(sql, values)]);
        assert.deepEqual(result.rows, expected.rows);
        assert.deepEqual([result.rowCount, result.command], [expected.rowCount, 'SELECT']);
        await assert.rejects(prepared.query(sql, ['none', null, null, 1]), /invalid input syntax .* "none"/);
      }
      assert.equal(descriptions, 1);
    } finally {
      await Promise.all([prepared.end(), other.end()]);
    }
  });

  it('reports the server, the duration, the number of rows and the error of each statement', async () => {
    await using under = await openDatabase(url);
    await under.read('SELECT $1::int AS answer', [42]);
    await under.read('SELECT nonsense').catch(() => undefined);
    const event = under.events.find(({ text }) => text.includes('AS answer'));
    assert.deepEqual([event?.server, event?.rows, event?.error], ['primary', 1, undefined]);
    assert.ok(event && event.ms > 0);
    assert.ok(under.events.find(({ text }) => text.includes('nonsense'))?.error);
  });
});
