/** Subscriptions over WebSockets to two processes that signal events through Redis. */
import assert from 'node:assert/strict';
import { type Client, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { eventually } from '../../support/cluster/pcf-api.js';
import { sharedPostgres } from '../../support/servers/postgres.js';
import { startRedis, type TestRedis } from '../../support/servers/redis.js';
import { ApiProcess, runRole } from './api-process.js';

const CHANGED = `subscription Changed($after: String) {
  deploymentChanged(after: $after) { cursor deployment { version service { name } } } }`;
const RECORD = 'mutation ($input: RecordDeploymentInput!) { recordDeployment(input: $input) { id } }';

/** Limit for delivery by signal. A process polls every 5 s, or every 1 s while Redis is unavailable. */
const BY_SIGNAL_MS = 2_500;

interface Changed {
  cursor: string;
  deployment: { version: string; service: { name: string } };
}

describe('api-server subscriptions over WebSockets', () => {
  let redis: TestRedis | undefined;
  let one: ApiProcess;
  let other: ApiProcess;
  let serviceId: string;
  const clients: Client[] = [];

  const record = async (version: string) => {
    const input = { serviceId, version, environment: 'production', idempotencyKey: version };
    assert.deepEqual((await one.graphql(RECORD, { input })).errors, []);
  };
  const subscribe = async (api: ApiProcess, after?: string) => {
    // A completed subscription is counted until its connection is closed.
    await eventually('there are no subscribers', async () => (await countSubscribers(api)) === 0);
    const closed = Promise.withResolvers<{ code: number; reason: string }>();
    const client = createClient({
      url: `ws://127.0.0.1:${api.port}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      on: { closed: (event) => closed.resolve(event as never) },
    });
    clients.push(client);
    const events = client.iterate<{ deploymentChanged: Changed }>({ query: CHANGED, variables: { after } });
    const next = async (): Promise<Changed> => {
      const { value } = await events.next();
      assert.equal(value?.errors, undefined);
      return value?.data?.deploymentChanged as Changed;
    };
    const first = next();
    first.catch(() => undefined);
    await eventually('the subscription is active', async () => (await countSubscribers(api)) === 1);
    let isFirst = true;
    return {
      closed: closed.promise,
      next: () => {
        const event = isFirst ? first : next();
        isFirst = false;
        return event;
      },
    };
  };
  const countSubscribers = async (api: ApiProcess) =>
    Number(/^pcf_api_subscribers (\d+)/m.exec(await api.metrics())?.[1]);
  const redisIs = (api: ApiProcess, status: string) =>
    eventually(`Redis is ${status}`, async () => {
      const { checks } = (await (await api.fetch('/health/ready')).json()) as {
        checks: { redis: { status: string } };
      };
      return checks.redis.status === status;
    });

  before(async function () {
    redis = await startRedis();
    if (!redis) return this.skip();
    const url = await (await sharedPostgres()).createDatabase();
    assert.equal((await runRole(['migrate', 'up'], { PCF_API__DATABASE__URL: url })).code, 0);
    const env = {
      PCF_API__DATABASE__URL: url,
      PCF_API__REDIS__URL: redis.url,
      PCF_API__SHUTDOWN__DELAY: '0s',
    };
    [one, other] = await Promise.all([ApiProcess.start(env), ApiProcess.start(env)]);
    await Promise.all(
      [one, other].map(async (api) => [await api.waitForReady(), await redisIs(api, 'ready')]),
    );
    const { data } = await one.graphql('mutation { createService(input: { name: "web" }) { id } }');
    serviceId = data.createService.id;
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.dispose();
  });
  after(async () => {
    await Promise.all([one?.kill(), other?.kill()]);
    await redis?.stop();
  });

  it('delivers events of another process through Redis, while Redis is unavailable, and after it recovers', async () => {
    const { next } = await subscribe(other);
    await record('v1'); // the listener may still be connecting
    assert.deepEqual((await next()).deployment, { version: 'v1', service: { name: 'web' } });
    const bySignal = async (version: string) => {
      const startedAt = performance.now();
      await record(version);
      assert.equal((await next()).deployment.version, version);
      const ms = performance.now() - startedAt;
      assert.ok(ms < BY_SIGNAL_MS, `${Math.round(ms)} ms`);
    };
    await eventually('the process listens on the channel', async () => (await countListeners(redis!)) === 1);
    for (const version of ['v2', 'v3', 'v4']) await bySignal(version);

    await redis!.stop();
    await redisIs(other, 'unavailable');
    await record('v5');
    assert.equal((await next()).deployment.version, 'v5');

    await redis!.start();
    await eventually(
      'the process listens on the channel again',
      async () => (await countListeners(redis!)) === 1,
    );
    await redisIs(one, 'ready');
    for (const version of ['v6', 'v7', 'v8']) await bySignal(version);
    const metrics = await other.metrics();
    assert.match(
      metrics,
      /graphql_operation_duration_seconds_count\{operation="Changed",type="subscription"\} 8/,
    );
    assert.match(metrics, /graphql_operation_errors_total\{operation="Changed",type="subscription"\} 0\n/);
  });

  it('a process closes subscriptions with 1001 on shutdown, and another process continues from the cursor', async () => {
    const { next, closed } = await subscribe(other);
    await record('w1');
    const { cursor } = await next();
    const noMore = next().catch((error: unknown) => error);
    other.signal('SIGTERM');
    const { code, reason } = await closed;
    assert.deepEqual([code, reason], [1_001, 'Going away']);
    await noMore;
    const { code: exit, stdout } = await other.ended;
    assert.equal(exit, 0);
    assert.doesNotMatch(stdout, /aborting requests|did not close in time/);
    for (const version of ['w2', 'w3']) await record(version);
    const again = await subscribe(one, cursor);
    const versions = [(await again.next()).deployment.version, (await again.next()).deployment.version];
    assert.deepEqual(versions, ['w2', 'w3']);
    await record('w4');
    assert.equal((await again.next()).deployment.version, 'w4');
  });
});

/** Number of processes that are subscribed to the channel of events. */
async function countListeners(redis: TestRedis): Promise<number> {
  const client = redis.client();
  try {
    await client.connect();
    const [, count] = (await client.pubsub('NUMSUB', 'pcf:events')) as [string, number];
    return Number(count);
  } finally {
    client.disconnect();
  }
}
