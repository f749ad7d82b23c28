import assert from 'node:assert/strict';
import { MAX_OPERATIONS } from '../../../api-server/observability/metrics/operation-metrics.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { JWT_SECRET, signToken } from '../../support/fixtures/tokens.js';
import { HttpEndpoint } from '../../support/servers/http-endpoint.js';
import { OtlpReceiver } from '../../support/servers/otlp-receiver.js';
import { startRedis, type TestRedis } from '../../support/servers/redis.js';
import { ApiProcess, type Env } from './api-process.js';
import { FakeGrafana } from './fake-grafana.js';
import { migratedDatabase } from './migrated-database.js';

const TRACE = 'aaaabbbbccccddddeeeeffff00001111';
const PARENT = '1111222233334444';

describe('api-server observability', () => {
  let url: string;
  let redis: TestRedis | undefined;
  let receiver: OtlpReceiver;
  let api: ApiProcess | undefined;

  const start = async (env: Env = {}): Promise<ApiProcess> => {
    api = await ApiProcess.start({ PCF_API__DATABASE__URL: url, ...env });
    await api.waitForReady();
    return api;
  };

  before(async () => {
    url = await migratedDatabase();
    redis = await startRedis();
    receiver = await OtlpReceiver.start();
  });
  afterEach(async () => {
    await api?.kill();
    api = undefined;
  });
  after(async () => {
    receiver?.stop();
    await redis?.stop();
  });

  it("a request creates one trace from the caller's span through resolvers to SQL, with its ID in the log", async () => {
    const server = await start({
      PCF_API__TRACING__ENDPOINT: receiver.url,
      PCF_API__AUTH__JWT_SECRET: JWT_SECRET,
      ...(redis && { PCF_API__REDIS__URL: redis.url }),
    });
    const token = await signToken();
    const { data } = await server.graphql(
      'query Traced { services { edges { node { name } } } }',
      {},
      { traceparent: `00-${TRACE}-${PARENT}-01`, authorization: `Bearer ${token}` },
    );
    assert.ok(data);
    server.signal('SIGTERM');
    await server.ended; // sends the remaining spans

    const spans = receiver.trace(TRACE);
    const http = spans.find(({ name }) => name === 'POST /graphql');
    assert.ok(http, spans.map(({ name }) => name).join(', '));
    assert.equal(http.parentSpanId, PARENT);
    assert.equal(http.service, 'pcf-api');
    assert.equal(http.attributes['graphql.operation.name'], 'Traced');
    assert.equal(Number(http.attributes['http.response.status_code']), 200);
    const resolver = spans.find(({ name }) => name === 'Query.services');
    assert.equal(resolver?.parentSpanId, http.spanId);
    const sql = spans.find(({ attributes }) => /FROM "?services"?/.test(String(attributes['db.query.text'])));
    assert.equal(sql?.parentSpanId, resolver?.spanId);
    assert.equal(sql?.attributes['pcf.database.server'], 'primary');
    const logged = server.logs.find(({ msg, route }) => msg === 'request done' && route === '/graphql');
    assert.equal(logged?.traceId, TRACE);
    assert.ok(!(receiver.raw + server.output).includes(token), 'the token is in the trace or the log');
  });

  it('Redis commands are in the trace of the request', async function () {
    if (!redis) return this.skip();
    const server = await start({ PCF_API__TRACING__ENDPOINT: receiver.url, PCF_API__REDIS__URL: redis.url });
    const ready = async () =>
      /"redis":\{"status":"ready"/.test(await (await server.fetch('/health/ready')).text());
    await eventually('Redis is ready', ready);
    const trace = TRACE.replaceAll('a', '9');
    await server.fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: `00-${trace}-${PARENT}-01` },
      body: JSON.stringify({ extensions: { persistedQuery: { version: 1, sha256Hash: 'a'.repeat(64) } } }),
    });
    server.signal('SIGTERM');
    await server.ended;
    const spans = receiver.trace(trace);
    const http = spans.find(({ name }) => name === 'POST /graphql');
    assert.equal(spans.find(({ name }) => name === 'get redis')?.parentSpanId, http?.spanId);
  });

  it('the trace of a mutation includes the job of the worker and the request to the webhook receiver', async function () {
    if (!redis) return this.skip();
    const receiverOfHooks = await HttpEndpoint.start();
    const grafana = await FakeGrafana.start();
    const env = {
      PCF_API__TRACING__ENDPOINT: receiver.url,
      PCF_API__REDIS__URL: `${redis.url}/2`,
      PCF_API__WEBHOOKS__ALLOW_PRIVATE: 'true',
      PCF_API__GRAFANA__URL: grafana.url,
    };
    const worker = await ApiProcess.start({ PCF_API__DATABASE__URL: url, ...env }, undefined, 'worker');
    try {
      const server = await start(env);
      const { data } = await server.graphql(
        `mutation ($url: String!) { createWebhook(input: { url: $url, events: [DEPLOYMENT_RECORDED] }) { secret }
           createService(input: { name: "traced" }) { id } }`,
        { url: receiverOfHooks.url },
      );
      const trace = TRACE.replaceAll('a', '7');
      const input = {
        serviceId: data.createService.id,
        environment: 'qa',
        version: '1',
        idempotencyKey: 'k',
      };
      await server.graphql(
        'mutation ($input: RecordDeploymentInput!) { recordDeployment(input: $input) { id } }',
        { input },
        { traceparent: `00-${trace}-${PARENT}-01` },
      );
      await eventually('the receiver has the request', () => receiverOfHooks.requests.length === 1);
      await eventually('Grafana has the annotation', () => grafana.annotations.size === 1);
      worker.signal('SIGTERM');
      await worker.ended;
      const spans = receiver.trace(trace);
      const job = spans.find(({ name }) => name === 'webhook-delivery process');
      assert.equal(job?.service, 'pcf-api-worker', spans.map(({ name }) => name).join(', '));
      assert.equal(job?.attributes['messaging.destination.name'], 'webhook-delivery');
      const post = spans.find(({ name }) => name === 'POST webhook');
      assert.equal(post?.parentSpanId, job?.spanId);
      const [sent] = receiverOfHooks.requests;
      assert.equal(sent?.headers.traceparent, `00-${trace}-${post?.spanId}-01`);
      assert.ok(grafana.traces.every((text) => /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/.test(text)));
      const grafanaSpan = receiver.spans.find(({ name }) => name === 'POST grafana');
      assert.ok(grafana.traces.some((text) => text.includes(grafanaSpan?.spanId ?? 'none')));
    } finally {
      await worker.kill();
      await receiverOfHooks.stop();
      grafana.stop();
    }
  });

  it('does not record a trace that the caller has not sampled', async () => {
    const server = await start({ PCF_API__TRACING__ENDPOINT: receiver.url });
    const trace = TRACE.replaceAll('b', '8');
    await server.graphql('{ __typename }', {}, { traceparent: `00-${trace}-${PARENT}-00` });
    server.signal('SIGTERM');
    await server.ended;
    assert.deepEqual(receiver.trace(trace), []);
  });

  it('an unreachable collector causes one log line', async () => {
    const server = await start({ PCF_API__TRACING__ENDPOINT: 'http://127.0.0.1:1/v1/traces' });
    for (let index = 0; index < 20; index += 1) {
      assert.equal((await server.graphql('{ __typename }')).status, 200);
    }
    server.signal('SIGTERM');
    const { code, stdout } = await server.ended;
    assert.equal(code, 0);
    assert.equal(stdout.match(/spans are lost/g)?.length, 1);
  });

  it('limits operation metrics to 1,000 series for any number of operation names', async () => {
    const server = await start();
    const types = ['query', 'mutation'];
    const names = Array.from(
      { length: 4 * MAX_OPERATIONS },
      (_, index) => `${types[index % 2]} Op${index >> 1} { __typename }`,
    );
    for (const query of names) await server.graphql(`${query}`);
    await server.graphql('query Op1 { nonsense }');
    const metrics = await server.metrics();
    const series = metrics.split('\n').filter((line) => line.startsWith('graphql_'));
    assert.ok(series.length > 500 && series.length <= 1_000, `${series.length} series`);
    const counts = series.filter((line) => line.startsWith('graphql_operation_duration_seconds_count'));
    const total = counts.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    assert.equal(total, names.length + 1, 'each operation is counted');
  }).timeout(60_000);

  it('logs slow statements with their SQL and request ID, without parameter values', async () => {
    const server = await start({ PCF_API__DATABASE__SLOW_QUERY: '1ms' });
    const slow = () =>
      server.logs.filter(({ msg, sql }) => msg === 'slow statement' && /FROM "?services"?/.test(`${sql}`));
    await eventually('a slow statement is logged', async () => {
      const after = Buffer.from(JSON.stringify(['hush-hush'])).toString('base64url');
      await server.graphql('query Slow($after: String) { services(after: $after) { totalCount } }', {
        after,
      });
      return slow().length > 0;
    });
    const [entry] = slow();
    assert.ok(entry?.requestId);
    assert.ok(Number(entry?.ms) >= 1);
    assert.match(String(entry?.sql), /\$1/);
    assert.doesNotMatch(server.output, /hush-hush/);
  });
});
