import assert from 'node:assert/strict';
import { eventually } from '../../support/cluster/pcf-api.js';
import { bearer, JWT_SECRET } from '../../support/fixtures/tokens.js';
import { startRedis, type TestRedis } from '../../support/servers/redis.js';
import { ApiProcess, runRole } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const METRICS = `query Figures { deliveryMetrics(from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z", bucket: MONTH) {
  total { deployments } } }`;
const WITH_ME = METRICS.replace(/ \}$/, ' me { id } }');

describe('api-server response cache', () => {
  let redis: TestRedis | undefined;
  let api: ApiProcess;
  let key: string;

  const hits = async () =>
    Number(/pcf_api_response_cache_lookups_total\{outcome="hit"\} (\d+)/.exec(await api.metrics())?.[1] ?? 0);

  before(async function () {
    redis = await startRedis();
    if (!redis) return this.skip();
    const url = await migratedDatabase();
    const env = { PCF_API__DATABASE__URL: url, PCF_API__REDIS__URL: redis.url };
    const made = await runRole(
      ['key', 'create', '--name', 'ci', '--role', 'admin', '--scope', 'deployments'],
      env,
    );
    key = made.stdout.trim();
    api = await ApiProcess.start({
      ...env,
      PCF_API__AUTH__OPEN: 'false',
      PCF_API__AUTH__JWT_SECRET: JWT_SECRET,
    });
    await api.waitForReady();
    await eventually('Redis is ready', async () => /pcf_api_redis_ready 1/.test(await api.metrics()));
  });
  after(async () => {
    await api?.kill();
    await redis?.stop();
  });

  it('serves a cached response only to callers with the same permissions', async () => {
    const query = async (headers: Record<string, string>) => api.graphql(METRICS, {}, headers);
    const viewer = async (sub: string) => query(await bearer({ sub, role: 'VIEWER' }));
    await eventually('the response is cached', async () => {
      assert.deepEqual((await viewer('one')).errors, []);
      return (await hits()) > 0;
    });
    const before = await hits();
    assert.deepEqual((await viewer('two')).errors, []);
    assert.equal(await hits(), before + 1, 'another viewer gets the cached response');
    const { errors } = await query({ 'x-api-key': key });
    assert.equal(errors[0]?.extensions.code, 'FORBIDDEN');
    assert.equal(await hits(), before + 1, 'a key without the scope READ got the cached response');
  });

  it('does not cache responses that depend on the caller', async () => {
    for (const sub of ['one', 'two', 'one', 'two']) {
      const { data, errors } = await api.graphql(WITH_ME, {}, await bearer({ sub, role: 'VIEWER' }));
      assert.deepEqual(errors, []);
      assert.equal(data.me.id, `token:pcf-api:${sub}`);
    }
  });
});
