import assert from 'node:assert/strict';
import { eventually } from '../../support/cluster/pcf-api.js';
import { bearer, JWT_SECRET } from '../../support/fixtures/tokens.js';
import { startRedis, type TestRedis } from '../../support/servers/redis.js';
import { TestSocket } from '../../support/servers/test-socket.js';
import { ApiProcess } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const QUERY = '{ __typename }';

describe('api-server rate limit', () => {
  let url: string;
  let redis: TestRedis | undefined;
  const apis: ApiProcess[] = [];

  const start = async (more: Record<string, string> = {}): Promise<ApiProcess> => {
    const api = await ApiProcess.start({
      PCF_API__DATABASE__URL: url,
      PCF_API__AUTH__OPEN: 'false',
      PCF_API__AUTH__JWT_SECRET: JWT_SECRET,
      PCF_API__RATE_LIMIT__REQUESTS: '5',
      PCF_API__RATE_LIMIT__WINDOW: '1h',
      PCF_API__RATE_LIMIT__FAILURES: '3',
      ...(redis && { PCF_API__REDIS__URL: redis.url }),
      ...more,
    });
    apis.push(api);
    await api.waitForReady();
    return api;
  };
  const sendRequest = async (api: ApiProcess, sub: string) =>
    (await api.graphql(QUERY, {}, await bearer({ sub }))).status;
  const sendRequests = async (count: number, api: ApiProcess, sub: string) => {
    const statuses = [];
    for (let index = 0; index < count; index += 1) statuses.push(await sendRequest(api, sub));
    return statuses;
  };
  const redisIs = (api: ApiProcess, status: string) =>
    eventually(`Redis is ${status}`, async () => {
      const report = (await (await api.fetch('/health/ready')).json()) as {
        checks: { redis: { status: string } };
      };
      return report.checks.redis.status === status;
    });

  before(async function () {
    redis = await startRedis();
    if (!redis) return this.skip();
    url = await migratedDatabase();
  });
  afterEach(async () => {
    await Promise.all(apis.splice(0).map((api) => api.kill()));
  });
  after(() => redis?.stop());

  it('counts requests per identity across all processes', async () => {
    const [one, other] = await Promise.all([start(), start()]);
    await Promise.all([redisIs(one, 'ready'), redisIs(other, 'ready')]);
    assert.deepEqual(await sendRequests(3, one, 'a'), [200, 200, 200]);
    assert.deepEqual(await sendRequests(3, other, 'a'), [200, 200, 429]);
    const { status, headers, errors } = await one.graphql(QUERY, {}, await bearer({ sub: 'a' }));
    assert.equal(status, 429);
    assert.equal(errors[0]?.extensions.code, 'RATE_LIMITED');
    const seconds = Number(headers.get('retry-after'));
    assert.ok(seconds > 3_000 && seconds <= 3_600, `${seconds}`);
    assert.equal(await sendRequest(one, 'b'), 200);
    assert.match(await one.metrics(), /pcf_api_rate_limited_total\{limit="identity"\} 1/);
    assert.equal((await one.fetch('/health')).status, 200);
  });

  it('accepts requests again in the next window', async () => {
    const api = await start({ PCF_API__RATE_LIMIT__WINDOW: '1s', PCF_API__RATE_LIMIT__REQUESTS: '1' });
    await redisIs(api, 'ready');
    await eventually('the request is throttled', async () => (await sendRequest(api, 'c')) === 429);
    await eventually('the request is accepted', async () => (await sendRequest(api, 'c')) === 200);
  });

  it('counts in memory while Redis is unavailable, and does not delay requests', async () => {
    const api = await start();
    await redisIs(api, 'ready');
    await redis!.stop();
    await redisIs(api, 'unavailable');
    const startedAt = performance.now();
    assert.deepEqual(await sendRequests(6, api, 'd'), [200, 200, 200, 200, 200, 429]);
    assert.ok(performance.now() - startedAt < 2_000);
    await redis!.start();
    await redisIs(api, 'ready');
    assert.equal(await sendRequest(api, 'e'), 200);
  });

  it('throttles a client after repeated requests with invalid credentials', async () => {
    const api = await start();
    await redisIs(api, 'ready');
    const guess = async () => (await api.graphql(QUERY, {}, { 'x-api-key': 'pcf_wrong' })).status;
    assert.deepEqual([await guess(), await guess(), await guess(), await guess()], [401, 401, 401, 429]);
    assert.equal(await sendRequest(api, 'f'), 200, 'valid credentials are accepted from the same address');
  });

  it('counts subscriptions as requests', async () => {
    const api = await start();
    await redisIs(api, 'ready');
    assert.deepEqual(await sendRequests(3, api, 'g'), [200, 200, 200]);
    const socket = await TestSocket.connect(api.port, { headers: await bearer({ sub: 'g' }) });
    for (const id of ['1', '2', '3'])
      socket.subscribe('subscription { deploymentChanged { cursor } }', {}, id);
    const { type, id, payload } = await socket.next();
    assert.deepEqual([type, id, payload[0].extensions.code], ['error', '3', 'RATE_LIMITED']);
    assert.ok(payload[0].extensions.retryAfter > 3_000);
    socket.end();
    assert.equal(await sendRequest(api, 'g'), 429);
    assert.match(await api.metrics(), /pcf_api_rate_limited_total\{limit="identity"\} 2/);
    const guess = async () => {
      const unauthenticated = await TestSocket.open(api.port, { headers: { 'x-api-key': 'pcf_wrong' } });
      unauthenticated.send({ type: 'connection_init' });
      return (await unauthenticated.next()).closed;
    };
    assert.equal(await guess(), 4_403);
    assert.match(await api.metrics(), /pcf_api_authentication_refused_total\{reason="malformed"\} 1/);
  });

  it('counts requests per IP address if authentication is disabled', async () => {
    const api = await start({ PCF_API__AUTH__OPEN: 'true', PCF_API__SERVER__TRUSTED_PROXIES: '127.0.0.0/8' });
    await redisIs(api, 'ready');
    const from = async (address: string) =>
      (await api.graphql(QUERY, {}, { 'x-forwarded-for': address })).status;
    for (let index = 0; index < 5; index += 1) assert.equal(await from('192.0.2.1'), 200);
    assert.deepEqual([await from('192.0.2.1'), await from('192.0.2.2')], [429, 200]);
  });
});
