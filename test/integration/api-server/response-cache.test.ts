import assert from 'node:assert/strict';
import { pino } from 'pino';
import { type CacheKey, ResponseCache } from '../../../api-server/graphql/cache/response-cache.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { startRedis, type TestRedis } from '../../support/servers/redis.js';
import { ApiProcess } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const METRICS = `query Figures($to: DateTimeISO!) {
  deliveryMetrics(from: "2026-01-01T00:00:00Z", to: $to, bucket: MONTH) { total { deployments succeeded } }
}`;
const TO = { to: '2026-02-01T00:00:00Z' };
const RECORD = 'mutation ($input: RecordDeploymentInput!) { recordDeployment(input: $input) { id } }';
const FINISH = 'mutation ($input: FinishDeploymentInput!) { finishDeployment(input: $input) { id } }';

describe('api-server response cache', () => {
  let postgres: TestPostgres;
  let redis: TestRedis | undefined;
  let url: string;
  let apis: ApiProcess[] = [];
  let keys = 0;

  before(async function () {
    redis = await startRedis();
    if (!redis) this.skip();
    postgres = await sharedPostgres();
    url = await migratedDatabase();
    const env = { PCF_API__DATABASE__URL: url, PCF_API__REDIS__URL: redis.url };
    apis = await Promise.all([ApiProcess.start(env), ApiProcess.start(env)]);
    for (const api of apis) {
      await api.waitForReady();
      await eventually('Redis is ready', async () => /pcf_api_redis_ready 1/.test(await api.metrics()));
    }
  });
  after(async () => {
    await Promise.all(apis.map((api) => api.kill()));
    await redis?.stop();
  });

  const count = async (api: ApiProcess): Promise<number> => {
    const { data, errors } = await api.graphql(METRICS, TO);
    assert.deepEqual(errors, []);
    return data.deliveryMetrics.total.deployments;
  };
  const hits = async (api: ApiProcess): Promise<number> =>
    Number(/pcf_api_response_cache_lookups_total\{outcome="hit"\} (\d+)/.exec(await api.metrics())?.[1] ?? 0);
  const deploy = async (api: ApiProcess): Promise<void> => {
    keys += 1;
    const name = `s${keys}`;
    const made = await api.graphql('mutation ($n: String!) { createService(input: { name: $n }) { id } }', {
      n: name,
    });
    const at = { startedAt: '2026-01-10T00:00:00Z' };
    const input = {
      serviceId: made.data.createService.id,
      environment: 'production',
      version: '1',
      idempotencyKey: name,
      ...at,
    };
    const recorded = await api.graphql(RECORD, { input });
    const end = {
      id: recorded.data.recordDeployment.id,
      outcome: 'SUCCEEDED',
      finishedAt: '2026-01-11T00:00:00Z',
    };
    assert.deepEqual((await api.graphql(FINISH, { input: end })).errors, []);
  };
  /** The first execution records the tables of a response, which is cached from the second execution on. */
  const warmCache = async (api: ApiProcess) => {
    await count(api);
    await count(api);
    await eventually('the response is cached', async () => {
      const before = await hits(api);
      await count(api);
      return (await hits(api)) > before;
    });
  };

  it('returns a cached response until any process changes a table that it depends on', async () => {
    const [one, other] = apis as [ApiProcess, ApiProcess];
    await deploy(one);
    await warmCache(one);
    await warmCache(other);
    assert.equal(await count(one), 1);
    for (const [writer, reader] of [
      [one, other],
      [other, one],
      [one, one],
    ] as const) {
      const before = await count(reader);
      await deploy(writer);
      assert.equal(await count(reader), before + 1);
      await warmCache(reader);
      assert.equal(await count(reader), before + 1);
    }
  });

  it('does not return a direct change in the database until the cached response expires', async () => {
    const [api] = apis as [ApiProcess];
    await warmCache(api);
    const before = await count(api);
    await postgres.query("UPDATE deployments SET finished_at = '2026-03-01'", url);
    assert.equal(await count(api), before);
    const client = redis?.client();
    await client?.flushall();
    client?.disconnect();
    assert.equal(await count(api), 0);
  });

  it('caches separate responses per document, operation, variables and scope', async () => {
    const client = redis?.client();
    assert.ok(client);
    await client.connect();
    const outcomes: string[] = [];
    const cache = new ResponseCache({
      redis: client,
      schemaHash: 'x',
      onLookup: (outcome) => outcomes.push(outcome),
      log: pino({ level: 'silent' }),
    });
    const key: CacheKey = { documentHash: 'd', operationName: 'A', variables: { a: 1 }, scope: 'VIEWER:*' };
    const tables = ['deployments'];
    (await cache.look(key, tables)).keep('kept', new Set(tables), 60);
    await eventually('the response is cached', async () => (await cache.look(key, tables)).found === 'kept');
    for (const other of [
      { documentHash: 'e' },
      { operationName: 'B' },
      { variables: { a: 2 } },
      { scope: 'ADMIN:*' },
    ]) {
      assert.equal((await cache.look({ ...key, ...other }, tables)).found, undefined, JSON.stringify(other));
    }
    // The tables change while the response is computed, so it must not be cached.
    const place = await cache.look({ ...key, scope: 'racing' }, tables);
    await cache.forget(new Set(tables));
    place.keep('old', new Set(tables), 60);
    await client.ping();
    assert.equal((await cache.look({ ...key, scope: 'racing' }, tables)).found, undefined);
    client.disconnect();
  });

  it('continues to respond while Redis is unavailable', async () => {
    const [api] = apis as [ApiProcess];
    await redis?.stop();
    await eventually('Redis is reported as unavailable', async () =>
      /pcf_api_redis_ready 0/.test(await api.metrics()),
    );
    const before = await count(api);
    await deploy(api);
    assert.equal(await count(api), before + 1);
  });
});
