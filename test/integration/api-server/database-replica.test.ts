import assert from 'node:assert/strict';
import { DatabaseSession, databaseSession } from '../../../api-server/database/pool/session.js';
import { HEADERS } from '../../../contract/image.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { freePort, startPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { startRedis } from '../../support/servers/redis.js';
import { ApiProcess, runRole } from './api-process.js';
import { openDatabase, READ, WRITE } from './database-under-test.js';

describe('api-server database with a replica', () => {
  let primary: TestPostgres;
  let replica: TestPostgres;
  let url: string;
  let replicaUrl: string;

  /** Pauses or resumes WAL replay on the replica. */
  const replay = (action: 'pause' | 'resume') =>
    replica.query(`SELECT pg_wal_replay_${action}()`, replicaUrl);

  before(async () => {
    primary = await startPostgres();
    url = await primary.createDatabase();
    await primary.query('CREATE TABLE notes (id int PRIMARY KEY, text text)', url);
    replica = await primary.startReplica();
    replicaUrl = replica.url(new URL(url).pathname.slice(1));
  });
  beforeEach(() => primary.query('TRUNCATE notes', url));
  after(async () => {
    await replica?.remove();
    await primary?.remove();
  });

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
          const [row] = await manager.query<{ standby: boolean }[]>('SELECT pg_is_in_recovery() AS standby');
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
});
