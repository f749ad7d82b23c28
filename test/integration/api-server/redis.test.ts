import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRedis, type TestRedis } from '../../support/servers/redis.js';
import { ApiProcess } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const QUERY = 'query Persisted { __typename }';
/** A request that waits for Redis takes at least this long. */
const COMMAND_TIMEOUT_MS = 500;
const HASH = createHash('sha256').update(QUERY).digest('hex');

describe('api-server with Redis', () => {
  let redis: TestRedis | undefined;
  let url: string;
  const apis: ApiProcess[] = [];

  const start = async (): Promise<ApiProcess> => {
    const api = await ApiProcess.start({ PCF_API__DATABASE__URL: url, PCF_API__REDIS__URL: redis!.url });
    apis.push(api);
    await api.waitForReady();
    return api;
  };
  const persisted = async (api: ApiProcess, query?: string) => {
    const extensions = { persistedQuery: { version: 1, sha256Hash: HASH } };
    const response = await api.fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, extensions }),
    });
    return (await response.json()) as { data?: unknown; errors?: { extensions: { code: string } }[] };
  };
  const redisStatus = async (api: ApiProcess): Promise<[number, string]> => {
    const response = await api.fetch('/health/ready');
    const { checks } = (await response.json()) as { checks: { redis: { status: string } } };
    return [response.status, checks.redis.status];
  };
  const waitForRedis = async (api: ApiProcess, status: string) => {
    for (let tries = 0; (await redisStatus(api))[1] !== status; tries += 1) {
      assert.ok(tries < 200, `Redis does not become ${status}`);
      await sleep(50);
    }
  };

  before(async function () {
    redis = await startRedis();
    if (!redis) return this.skip();
    url = await migratedDatabase();
  });
  afterEach(async () => {
    await Promise.all(apis.splice(0).map((api) => api.kill()));
  });
  after(() => redis?.stop());

  it('a persisted query that is registered with one process is available in another', async () => {
    const [one, other] = await Promise.all([start(), start()]);
    await waitForRedis(one, 'ready');
    await waitForRedis(other, 'ready');
    assert.equal((await persisted(other)).errors?.[0]?.extensions.code, 'PERSISTED_QUERY_NOT_FOUND');
    assert.deepEqual((await persisted(one, QUERY)).data, { __typename: 'Query' });
    await sleep(100);
    assert.deepEqual((await persisted(other)).data, { __typename: 'Query' });
  });

  it('continues to serve while Redis is unavailable, reports it in /health/ready, and reconnects', async () => {
    const api = await start();
    await waitForRedis(api, 'ready');
    await redis!.stop();
    await waitForRedis(api, 'unavailable');
    assert.deepEqual(await redisStatus(api), [200, 'unavailable']);
    const startedAt = Date.now();
    assert.deepEqual((await persisted(api, QUERY)).data, { __typename: 'Query' });
    assert.ok(Date.now() - startedAt < 1_000, 'a request does not wait for Redis');
    await redis!.start();
    await waitForRedis(api, 'ready');
  });

  it('Redis that does not respond: opens the circuit breaker, and requests do not wait until it responds', async () => {
    const api = await start();
    await waitForRedis(api, 'ready');
    const before = await p99OfRequests(api);
    redis!.pause();
    try {
      const startedAt = performance.now();
      while ((await redisStatus(api))[1] === 'ready') {
        assert.ok(performance.now() - startedAt < 3_000, 'the circuit breaker opens');
        await persisted(api, QUERY);
      }
      assert.deepEqual(await redisStatus(api), [200, 'unresponsive']);
      assert.match(await api.metrics(), /^pcf_api_redis_circuit_open 1$/m);
      const during = await p99OfRequests(api);
      assert.ok(during < COMMAND_TIMEOUT_MS, `p99 ${during} ms during the outage, ${before} ms before`);
      await sleep(3_000); // several reconnects to the server
      assert.deepEqual(await redisStatus(api), [200, 'unresponsive']);
      const later = await p99OfRequests(api);
      assert.ok(later < COMMAND_TIMEOUT_MS, `p99 ${later} ms later, ${before} ms before`);
    } finally {
      redis!.resume();
    }
    await waitForRedis(api, 'ready');
    assert.match(await api.metrics(), /^pcf_api_redis_circuit_open 0$/m);
    const after = await p99OfRequests(api);
    assert.ok(after < COMMAND_TIMEOUT_MS, `p99 ${after} ms after, ${before} ms before`);
  });

  /** p99 of the latency of persisted queries, in milliseconds. Each request sends a command to Redis. */
  const p99OfRequests = async (api: ApiProcess): Promise<number> => {
    const latencies: number[] = [];
    const sendRequests = async () => {
      for (let count = 0; count < 100; count += 1) {
        const startedAt = performance.now();
        assert.deepEqual((await persisted(api, QUERY)).data, { __typename: 'Query' });
        latencies.push(performance.now() - startedAt);
      }
    };
    await Promise.all([sendRequests(), sendRequests(), sendRequests(), sendRequests()]);
    return latencies.sort((one, other) => one - other)[Math.floor(latencies.length * 0.99)]!;
  };

  it('starts while Redis is unavailable, and exits with 0 on SIGTERM', async () => {
    await redis!.stop();
    const api = await start();
    assert.deepEqual(await redisStatus(api), [200, 'unavailable']);
    api.signal('SIGTERM');
    assert.equal((await api.ended).code, 0);
    await redis!.start();
  });
});
