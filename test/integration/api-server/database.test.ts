import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { generate } from 'selfsigned';
import { observedClient } from '../../../api-server/database/pool/observed-client.js';
import { DatabaseSession, databaseSession } from '../../../api-server/database/pool/session.js';
import { HEADERS } from '../../../contract/image.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { PgBouncer } from '../../support/servers/pgbouncer.js';
import { freePort, startPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { startRedis } from '../../support/servers/redis.js';
import { ApiProcess, runRole } from './api-process.js';
import { openDatabase, READ, WRITE } from './database-under-test.js';

describe('api-server database', () => {
  let primary: TestPostgres;
  let replica: TestPostgres;
  let url: string;
  let replicaUrl: string;
  let folder: string;

  /** Pauses or resumes WAL replay on the replica. */
  const replay = (action: 'pause' | 'resume') =>
    replica.query(`SELECT pg_wal_replay_${action}()`, replicaUrl);

  before(async () => {
    primary = await startPostgres();
    url = await primary.createDatabase();
    await primary.query('CREATE TABLE notes (id int PRIMARY KEY, text text)', url);
    replica = await primary.startReplica();
    replicaUrl = replica.url(new URL(url).pathname.slice(1));
    folder = mkdtempSync(join(tmpdir(), 'pcf-test-database-'));
  });
  beforeEach(() => primary.query('TRUNCATE notes', url));
  after(async () => {
    await replica?.remove();
    await primary?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  describe('with a replica', () => {
    it('sends reads of a session to the replica, and writes, locks, transactions and reads without a session to the primary', async () => {
      await using under = await openDatabase(url, { replica_url: replicaUrl });
      assert.equal(await under.readsFrom(), 'replica');
      const outside = await under.read<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
      assert.equal(outside[0]?.standby, false);
      await under.as(new DatabaseSession(), WRITE, 'SELECT id FROM notes FOR UPDATE');
      assert.equal(under.events.at(-1)?.server, 'primary');
      await databaseSession.run(new DatabaseSession(), () =>
        under.database.dataSource.withManager(READ, (connected) =>
          connected.transaction(async (manager) => {
            const [row] = await manager.query<{ standby: boolean }[]>(
              'SELECT pg_is_in_recovery() AS standby',
            );
            assert.equal(row?.standby, false);
          }),
        ),
      );
    });

    it('returns a write to its own session immediately and to other sessions after replication', async () => {
      await using under = await openDatabase(url, { replica_url: replicaUrl, replica_max_lag: 60_000 });
      const count = async (session: DatabaseSession) =>
        Number((await under.as<{ n: string }>(session, READ, 'SELECT count(*) AS n FROM notes'))[0]?.n);
      await replay('pause');
      try {
        const writer = new DatabaseSession();
        await under.as(writer, WRITE, 'INSERT INTO notes VALUES (1)');
        assert.equal(await count(writer), 1, 'in the same request');
        const position = await under.database.writtenUpTo(writer, 'alice');
        assert.ok(position);
        assert.equal(await count(under.database.session('alice')), 1, "in the client's next request");
        const withPosition = under.database.session(undefined, '0/FFFFFFFF');
        assert.equal(
          await under.readsFrom(withPosition),
          'primary',
          'in any process, if the request has the WAL position',
        );
        assert.equal(await count(under.database.session('bob')), 0, 'another client reads from the replica');
      } finally {
        await replay('resume');
      }
      const readsFrom = () => under.readsFrom(under.database.session('alice'));
      await eventually(
        'the writer reads from the replica again',
        async () => (await readsFrom()) === 'replica',
      );
      assert.equal(await count(under.database.session('alice')), 1);
    });

    it('reads from the primary while the replica lags and from the replica after it has caught up', async () => {
      await using under = await openDatabase(url, { replica_url: replicaUrl, replica_max_lag: 300 });
      await replay('pause');
      try {
        await primary.query('INSERT INTO notes VALUES (1)', url);
        await eventually('the replica is lagging', () => under.database.replicaStatus?.state === 'lagging');
        assert.match(under.database.replicaStatus?.reason ?? '', /^\d+ ms behind$/);
        assert.equal(await under.readsFrom(), 'primary');
      } finally {
        await replay('resume');
      }
      await eventually('the replica is ready', () => under.database.replicaStatus?.state === 'ready');
      assert.equal(await under.readsFrom(), 'replica');
    });

    it('reports no lag while the primary is idle', async () => {
      await using under = await openDatabase(url, { replica_url: replicaUrl, replica_max_lag: 100 });
      const until = performance.now() + 400;
      await eventually('400 ms have passed', () => {
        assert.equal(under.database.replicaStatus?.state, 'ready');
        return performance.now() > until;
      });
    });

    it('fails no read when the replica is killed under load, and uses the replica after its restart', async () => {
      await using under = await openDatabase(url, { replica_url: replicaUrl });
      let running = true;
      const answers = { replica: 0, primary: 0 };
      const load = Array.from({ length: 8 }, async () => {
        while (running) answers[await under.readsFrom()] += 1;
      });
      await eventually('the replica serves reads', () => answers.replica > 100);
      await replica.kill();
      await eventually(
        'the replica is unavailable',
        () => under.database.replicaStatus?.state === 'unavailable',
      );
      const before = answers.primary;
      await eventually('the primary serves reads', () => answers.primary > before + 100);
      await replica.start();
      await eventually('the replica is ready', () => under.database.replicaStatus?.state === 'ready');
      const after = answers.replica;
      await eventually('the replica serves reads again', () => answers.replica > after + 100);
      running = false;
      await Promise.all(load); // rejects if a read failed
    });

    it('starts and reads from the primary if the replica is unreachable', async () => {
      const unreachable = `postgresql://me@127.0.0.1:${await freePort()}/x`;
      await using under = await openDatabase(url, { replica_url: unreachable }, 'unavailable');
      assert.equal(await under.readsFrom(), 'primary');
      assert.equal(under.database.replicaStatus?.reason, 'ECONNREFUSED');
    });

    it('sends no reads to a server that is not a replica', async () => {
      await using under = await openDatabase(url, { replica_url: url }, 'not a replica');
      await under.readsFrom();
      assert.equal(under.events.at(-1)?.server, 'primary');
    });
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

  it('returns a client its own writes from any process, and reports the replica in /health/ready', async () => {
    const own = await primary.createDatabase();
    const env = {
      PCF_API__DATABASE__URL: own,
      PCF_API__DATABASE__REPLICA_URL: replica.url(new URL(own).pathname.slice(1)),
      PCF_API__DATABASE__REPLICA_MAX_LAG: '1h',
      PCF_API__DATABASE__REPLICA_PROBE_INTERVAL: '20ms',
    };
    assert.equal((await runRole(['migrate', 'up'], env)).code, 0);
    const redis = await startRedis();
    const withRedis = { ...env, ...(redis && { PCF_API__REDIS__URL: redis.url }) };
    const apis = await Promise.all([ApiProcess.start(withRedis), ApiProcess.start(withRedis)]);
    try {
      const [one, other] = apis as [ApiProcess, ApiProcess];
      for (const api of apis) {
        await api.waitForReady();
        const text = async () => (await api.fetch('/health/ready')).text();
        await eventually('the replica is ready', async () =>
          /"replica":\{"state":"ready"/.test(await text()),
        );
        if (redis)
          await eventually('Redis is ready', async () => /"redis":\{"status":"ready"/.test(await text()));
        assert.match(await api.metrics(), /pcf_api_database_replica_lag_seconds \d/);
      }
      await replay('pause');
      const cookie = { cookie: 'session=alice' };
      const made = await one.graphql('mutation { createService(input: { name: "web" }) { id } }', {}, cookie);
      const position = made.headers.get(HEADERS.position);
      assert.match(String(position), /^[0-9A-F]+\/[0-9A-F]+$/);
      const countServices = async (api: ApiProcess, headers: Record<string, string>) =>
        Number((await api.graphql('{ services { totalCount } }', {}, headers)).data.services.totalCount);
      assert.equal(await countServices(one, cookie), 1, 'the same client at the same process');
      if (redis) assert.equal(await countServices(other, cookie), 1, 'the same client at another process');
      await redis?.stop();
      assert.equal(await countServices(one, cookie), 1, 'the same process while Redis is unavailable');
      assert.equal(await countServices(other, cookie), 0, 'another process requires Redis');
      assert.equal(
        await countServices(other, { [HEADERS.position]: String(position) }),
        1,
        'another process, if the request has the WAL position',
      );
      assert.equal(await countServices(other, { [HEADERS.position]: 'nonsense' }), 0);
      assert.equal(await countServices(one, {}), 0, 'another client');
    } finally {
      await replay('resume');
      await Promise.all(apis.map((api) => api.kill()));
      await redis?.stop();
    }
  }).timeout(60_000);

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
