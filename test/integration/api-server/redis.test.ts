import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRedis, type TestRedis } from '../../support/servers/redis.js';
import { ApiProcess } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const QUERY = 'query Persisted { __typename }';
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
    this.timeout(240_000); // the first run installs Redis
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

  it('starts while Redis is unavailable, and exits with 0 on SIGTERM', async () => {
    await redis!.stop();
    const api = await start();
    assert.deepEqual(await redisStatus(api), [200, 'unavailable']);
    api.signal('SIGTERM');
    assert.equal((await api.ended).code, 0);
    await redis!.start();
  });
});
