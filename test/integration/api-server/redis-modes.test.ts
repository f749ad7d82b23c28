import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { generate } from 'selfsigned';
import { loadSettings } from '../../../api-server/config/load.js';
import { SharedWriters } from '../../../api-server/database/routing/shared-writers.js';
import { ResponseCache } from '../../../api-server/graphql/cache/response-cache.js';
import { RateLimiter } from '../../../api-server/http/rate-limiter.js';
import { jobMetrics } from '../../../api-server/jobs/job-metrics.js';
import { JobRunner } from '../../../api-server/jobs/job-runner.js';
import { RedisSignal } from '../../../api-server/modules/events/event-signal.js';
import { createRedis, type RedisClient, type RedisUse } from '../../../api-server/redis/redis.js';
import { parseRedisUrl } from '../../../api-server/redis/redis-url.js';
import { freePorts } from '../../../sandbox/process/ports.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { startRedis, startRedises, type TestRedis } from '../../support/servers/redis.js';

describe('api-server Redis modes', () => {
  let folder: string;
  let servers: TestRedis[] = [];
  let clients: RedisClient[] = [];

  const connect = async (url: string, more: Record<string, string> = {}, use?: RedisUse) => {
    const settings = await settingsOf(url, more);
    const client = createRedis(settings, pino({ level: 'silent' }), use);
    assert.ok(client);
    clients.push(client);
    return client;
  };
  const waitUntilReady = (client: RedisClient) =>
    eventually('the client is ready', () => client.status === 'ready', 20_000);

  before(async function () {
    const first = await startRedis();
    if (!first) return this.skip();
    await first.stop();
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pcf-test-redis-'));
  });
  afterEach(async () => {
    for (const client of clients) client.disconnect();
    await Promise.all(servers.map((server) => server.stop()));
    clients = [];
    servers = [];
    rmSync(folder, { recursive: true, force: true });
  });

  it('parses URLs with several hosts, and does not include an invalid URL in the error', () => {
    assert.deepEqual(parseRedisUrl('rediss://me:p%40ss@a:1,[::1]:2,c/3'), {
      nodes: [
        { host: 'a', port: 1 },
        { host: '::1', port: 2 },
        { host: 'c', port: 6379 },
      ],
      username: 'me',
      password: 'p@ss',
      database: 3,
      tls: true,
    });
    assert.deepEqual(parseRedisUrl('redis://:pw@h').username, undefined);
    for (const bad of ['http://:hush@h', 'redis://:hush@', 'redis://:hush@a:b']) {
      assert.throws(
        () => parseRedisUrl(bad),
        (error: Error) => !error.message.includes('hush'),
      );
    }
  });

  it('TLS: connects with the configured CA, and refuses the certificate without it', async () => {
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
      keySize: 2048,
      extensions: [
        { name: 'basicConstraints', cA: true },
        { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
      ],
    });
    const [certFile, keyFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
    writeFileSync(certFile, cert);
    writeFileSync(keyFile, key);
    const args = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-auth-clients', 'no'];
    const [server] = await startRedises([
      { args: [...args, '--requirepass', 'hush'], client: { password: 'hush', tls: { ca: cert } } },
    ]);
    servers = [server!];
    const { port } = server!;
    const client = await connect(`rediss://:hush@127.0.0.1:${port}`, { PCF_API__REDIS__CA_FILE: certFile });
    await waitUntilReady(client);
    assert.equal(await client.set('a', '1'), 'OK');
    const withoutCa = await connect(`rediss://:hush@127.0.0.1:${port}`);
    const [refused] = await new Promise<[NodeJS.ErrnoException]>((resolve) =>
      withoutCa.once('error', (error: NodeJS.ErrnoException) => resolve([error])),
    );
    assert.match(String(refused.code), /CERT|SELF_SIGNED/);
  });

  it('uses a new password in the file for the next connection', async () => {
    const server = await startRedis({ args: ['--requirepass', 'one'], client: { password: 'one' } });
    servers.push(server!);
    const file = join(folder, 'redis-url');
    const url = (password: string) => `redis://:${password}@127.0.0.1:${server!.port}`;
    writeFileSync(file, url('one'));
    const client = await connect(url('one'), { PCF_API__REDIS__URL_FILE: file });
    await waitUntilReady(client);
    const admin = server!.client();
    await admin.connect();
    await admin.config('SET', 'requirepass', 'two');
    writeFileSync(file, url('two'));
    await eventually(
      'the client has read the password',
      () => 'options' in client && (client.options as { password?: string }).password === 'two',
    );
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    admin.disconnect();
    await eventually('the client is connected again', () =>
      client.ping().then(
        () => true,
        () => false,
      ),
    );
  });

  it('Sentinel: every client follows the failover to the new master', async () => {
    const [master] = await startRedises([{}]);
    const [replica] = await startRedises([{ args: ['--replicaof', '127.0.0.1', `${master!.port}`] }]);
    const sentinels = await startRedises(
      [0, 1, 2].map((index) => {
        const file = join(folder, `sentinel-${index}.conf`);
        const lines = [
          `sentinel monitor pcf 127.0.0.1 ${master!.port} 2`,
          'sentinel down-after-milliseconds pcf 500',
          'sentinel failover-timeout pcf 3000',
        ];
        writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o666 });
        return { args: [file, '--sentinel'] };
      }),
    );
    servers = [master!, replica!, ...sentinels];
    const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',');
    const env = { PCF_API__REDIS__MODE: 'sentinel', PCF_API__REDIS__SENTINEL_MASTER: 'pcf' };
    await eventually('the Sentinels have discovered each other and the replica', async () => {
      const sentinel = sentinels[0]!.client();
      await sentinel.connect();
      const [info] = (await sentinel.call('SENTINEL', 'MASTERS')) as string[][];
      sentinel.disconnect();
      const value = (name: string) => info?.[info.indexOf(name) + 1];
      return value('num-slaves') === '1' && value('num-other-sentinels') === '2';
    });
    // Several, because not every client meets a failover that is announced during its reconnect.
    const all = await Promise.all(Array.from({ length: 20 }, () => connect(`redis://${hosts}`, env)));
    await Promise.all(all.map(waitUntilReady));
    const client = all[0]!;
    await client.set('kept', 'yes');
    const admin = master!.client();
    await admin.connect();
    await eventually('the replica has the key', async () => (await admin.call('WAIT', '1', '100')) === 1);
    admin.disconnect();

    await master!.stop();
    await Promise.all(
      all.map((one) =>
        eventually(
          'the new master takes writes',
          () =>
            one.set('after', 'failover').then(
              () => true,
              () => false,
            ),
          30_000,
        ),
      ),
    );
    assert.equal(await client.get('kept'), 'yes');
    await assertUses(client, await connect(`redis://${hosts}`, env), () =>
      connectWaiting(`redis://${hosts}`, env),
    );
  });

  it('Cluster: writes keys of all slots, and continues after the failure of a node', async () => {
    // The default bus port can be in the range of ephemeral ports.
    const buses = await freePorts(4);
    const nodes = await startRedises(
      buses.map((bus, index) => ({
        args: [
          '--cluster-port',
          `${bus}`,
          '--cluster-enabled',
          'yes',
          '--cluster-config-file',
          join(folder, `nodes-${index}.conf`),
          '--cluster-node-timeout',
          '1000',
          '--cluster-require-full-coverage',
          'no',
        ],
      })),
    );
    servers = nodes;
    await formCluster(nodes, buses);
    const url = `redis://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
    const client = await connect(url, { PCF_API__REDIS__MODE: 'cluster' });
    await waitUntilReady(client);
    const keys = Array.from({ length: 100 }, (_, index) => `key-${index}`);
    await Promise.all(keys.map((key) => client.set(key, key)));
    assert.deepEqual(await Promise.all(keys.map((key) => client.get(key))), keys);

    const waiting = await connect(url, { PCF_API__REDIS__MODE: 'cluster' }, 'waiting');
    const done: number[] = [];
    const { worker } = await settingsOf(url);
    const jobs = new JobRunner({
      redis: waiting,
      settings: worker,
      metrics: jobMetrics(new Registry()),
      log: pino({ level: 'silent' }),
    });
    jobs.add<{ n: number }>({ name: 'counting', handle: async ({ n }) => void done.push(n) });
    jobs.start();
    await jobs.enqueue('counting', { n: 7 });
    await eventually('the job is complete', () => done.includes(7));
    await jobs.close(1_000);

    await nodes[0]!.stop();
    const works = async () => {
      const results = await Promise.allSettled(keys.map((key) => client.set(key, 'again')));
      return results.every(({ status }) => status === 'fulfilled');
    };
    await eventually('the replica is promoted', works, 30_000);
    const more = { PCF_API__REDIS__MODE: 'cluster' };
    await assertUses(client, await connect(url, more), () => connectWaiting(url, more));
  });

  /** Checks all uses of Redis except jobs. `other` is the client of another process. */
  async function assertUses(
    client: RedisClient,
    other: RedisClient,
    open: () => Promise<RedisClient>,
  ): Promise<void> {
    const log = pino({ level: 'silent' });
    await waitUntilReady(other);
    const limit = { name: 'test', points: 2, windowMs: 60_000 };
    const [here, there] = [client, other].map((redis) => new RateLimiter(limit, redis));
    const taken = [await here?.take('me'), await there?.take('me'), await here?.take('me')];
    assert.deepEqual(
      taken.map((seconds) => seconds !== undefined),
      [false, false, true],
      'both clients share the counter',
    );

    const cacheOf = (redis: RedisClient) =>
      new ResponseCache({ redis, schemaHash: 'x', onLookup: () => undefined, log });
    const key = { documentHash: 'd', operationName: undefined, variables: {}, scope: 's' };
    const tables = ['deployments', 'incidents', 'services'];
    const look = () => cacheOf(other).look(key, tables);
    (await cacheOf(client).look(key, tables)).keep('the answer', new Set(tables), 60);
    await eventually('the response is cached', async () => (await look()).found === 'the answer');
    await cacheOf(client).forget(new Set(['incidents']));
    assert.equal((await look()).found, undefined, 'the response is invalidated for all clients');

    const writers = [client, other].map((redis) => new SharedWriters(redis, 60_000, log));
    await writers[0]?.note('alice', 0x1_0000_0000n);
    await writers[1]?.note('alice', 7n);
    assert.equal(await writers[1]?.lsnOf('alice'), 0x1_0000_0000n, 'the higher LSN is stored');

    const listener = await open();
    let notifications = 0;
    const listening = await new RedisSignal(client, () => listener, log).listen(() => {
      notifications += 1;
    });
    await eventually('the listener is subscribed', () => notifications === 1);
    new RedisSignal(other, () => listener, log).send();
    await eventually('the listener is notified', () => notifications === 2);
    await listening.stop();
  }

  function connectWaiting(url: string, more: Record<string, string>): Promise<RedisClient> {
    return connect(url, more, 'waiting');
  }
});

function settingsOf(url: string, more: Record<string, string> = {}) {
  return loadSettings({
    PCF_API__DATABASE__URL: 'postgresql://localhost/none',
    PCF_API__REDIS__URL: url,
    PCF_CONFIG_DIR: '/nonexistent',
    ...more,
  });
}

/** Creates a cluster of three masters, and a replica of the first. */
async function formCluster(nodes: TestRedis[], buses: number[]): Promise<void> {
  const admins = nodes.map((node) => node.client());
  await Promise.all(admins.map((admin) => admin.connect()));
  const [first, second, third, replica] = admins;
  for (const [index, { port }] of nodes.entries())
    if (index > 0) await first!.call('CLUSTER', 'MEET', '127.0.0.1', port, buses[index]!);
  const ranges = [
    [0, 5460],
    [5461, 10_922],
    [10_923, 16_383],
  ] as const;
  const masters = [first, second, third];
  await Promise.all(
    masters.map((admin, index) => admin!.call('CLUSTER', 'ADDSLOTSRANGE', ...(ranges[index] ?? []))),
  );
  const allNodesKnow = async (count: number) =>
    (await Promise.all(admins.map((admin) => admin.call('CLUSTER', 'INFO')))).every((info) =>
      String(info).includes(`cluster_known_nodes:${count}`),
    );
  await eventually('all nodes have discovered each other', () => allNodesKnow(nodes.length));
  const id = String(await first!.call('CLUSTER', 'MYID'));
  await eventually('the replica has a master', () =>
    replica!.call('CLUSTER', 'REPLICATE', id).then(
      () => true,
      () => false,
    ),
  );
  const ok = async () =>
    (await Promise.all(admins.map((admin) => admin.call('CLUSTER', 'INFO')))).every((info) =>
      String(info).includes('cluster_state:ok'),
    );
  await eventually('the cluster state is ok', ok);
  await eventually('the replica is connected to its master', async () =>
    String(await replica!.call('INFO', 'replication')).includes('master_link_status:up'),
  );
  for (const admin of admins) admin.disconnect();
}
