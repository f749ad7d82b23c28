import assert from 'node:assert/strict';
import { eventually } from '../../support/cluster/pcf-api.js';
import { bearer, JWT_SECRET } from '../../support/fixtures/tokens.js';
import { ApiProcess } from './api-process.js';
import { CREATE, FINISH, GraphqlUnderTest } from './graphql-under-test.js';
import { migratedDatabase } from './migrated-database.js';

describe('api-server GraphQL', () => {
  let under: GraphqlUnderTest;

  before(async () => {
    under = await GraphqlUnderTest.start({ PCF_REVISION: 'pcf-api-1a2b', PCF_VERSION: '9.8.7' });
  });
  beforeEach(() => under.clear());
  after(() => under?.api.kill());

  it('returns the request ID, the version and the revision in headers', async () => {
    const { headers } = await under.api.graphql('{ __typename }', {}, { 'x-request-id': 'req-1' });
    assert.equal(headers.get('x-request-id'), 'req-1');
    assert.equal(headers.get('x-pcf-version'), '9.8.7');
    assert.equal(headers.get('x-pcf-revision'), 'pcf-api-1a2b');

    const made = await under.api.graphql('{ __typename }', {}, { 'x-request-id': 'not fit {for} a log' });
    assert.match(made.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
    const logged = () =>
      under.api.logs.some(({ requestId, msg }) => requestId === 'req-1' && msg === 'request done');
    await eventually('the request is in the log', logged);
  });

  it('creates a service and finds it by name, by ID and as a node', async () => {
    const made = await under.api.graphql(CREATE, { input: { name: 'web', owner: 'platform' } });
    const { id } = made.data.createService;
    const found = await under.api.graphql(
      '($id: ID!) { a: service(name: "web") { id } b: service(id: $id) { name } node(id: $id) { __typename id ... on Service { owner } } none: service(name: "no") { id } }'.replace(
        /^/,
        'query ',
      ),
      { id },
    );
    assert.deepEqual(found.errors, []);
    assert.deepEqual(found.data, {
      a: { id },
      b: { name: 'web' },
      node: { __typename: 'Service', id, owner: 'platform' },
      none: null,
    });
  });

  it('returns CONFLICT with the field for a name that already exists', async () => {
    await under.create('web');
    const { errors } = await under.api.graphql(CREATE, { input: { name: 'web' } });
    assert.match(errors[0]!.message, /a service named web already exists/);
    assert.equal(errors[0]!.extensions.code, 'CONFLICT');
    assert.equal(errors[0]!.extensions.field, 'input.name');
    assert.ok(errors[0]!.extensions.requestId);
  });

  const badInputs: [string, object, string, RegExp][] = [
    ['a name with upper-case letters', { name: 'Web' }, 'input.name', /must be 1 to 63 lower-case/],
    ['an empty name', { name: '' }, 'input.name', /must be 1 to 63/],
    ['an empty owner', { name: 'web', owner: '' }, 'input.owner', /must not be empty/],
    [
      'a repository that is not a URL',
      { name: 'web', repository: 'hello' },
      'input.repository',
      /must be a URL/,
    ],
  ];

  for (const [defect, input, field, message] of badInputs) {
    it(`rejects ${defect}`, async () => {
      const { errors, status } = await under.api.graphql(CREATE, { input });
      assert.equal(status, 200);
      assert.equal(errors[0]!.extensions.code, 'BAD_USER_INPUT');
      assert.equal(errors[0]!.extensions.field, field);
      assert.match(errors[0]!.message, message);
    });
  }

  it('returns all problems of an input in one error', async () => {
    const { errors } = await under.api.graphql(CREATE, { input: { name: 'Web', owner: '' } });
    assert.equal((errors[0]!.extensions.problems as unknown[]).length, 2);
  });

  it('serves other clients after one sends null for the condition of a directive', async () => {
    await under.create('web');
    const query = `query Page($more: Boolean = false) {
      services(first: 1) { totalCount edges { node { name owner @include(if: $more) } } }
    }`;
    for (let time = 0; time < 2; time += 1) {
      const wrong = await under.api.graphql(query, { more: null });
      assert.equal(wrong.errors[0]?.extensions.code, 'BAD_USER_INPUT');
      const { data, errors } = await under.api.graphql(query);
      assert.deepEqual(errors, []);
      assert.deepEqual(data.services.edges, [{ node: { name: 'web' } }]);
    }
    const atRoot = 'query Root($more: Boolean = false) { __typename a: __typename @include(if: $more) }';
    const wrong = await under.api.graphql(atRoot, { more: null });
    assert.deepEqual([wrong.status, wrong.errors[0]?.extensions.code], [200, 'BAD_USER_INPUT']);
    assert.deepEqual((await under.api.graphql(atRoot)).data, { __typename: 'Query' });
  });

  it('responds with the accepted content type, also for a cached document', async () => {
    const query = '{ services { totalCount } accepted: __typename }';
    const send = (accept: string, document = query) =>
      under.api.fetch('/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept },
        body: JSON.stringify({ query: document }),
      });
    for (const [accept, expected] of [
      ['application/graphql-response+json', 'application/graphql-response+json; charset=utf-8'],
      [
        'application/graphql-response+json, application/json;q=0.9',
        'application/graphql-response+json; charset=utf-8',
      ],
      ['application/json', 'application/json; charset=utf-8'],
      ['*/*', 'application/json; charset=utf-8'],
    ] as const) {
      for (let time = 0; time < 2; time += 1) {
        const response = await send(accept);
        assert.deepEqual([response.status, response.headers.get('content-type')], [200, expected]);
      }
      const invalid = await send(accept, '{ unknownField }');
      assert.equal(invalid.headers.get('content-type'), expected);
      assert.equal(invalid.status, accept === 'application/json' ? 200 : 400);
    }
    const created = 'mutation { createService(input: { name: "not-accepted" }) { id } }';
    assert.equal((await send('application/jsonp', created)).status, 406);
    const { data } = await under.api.graphql('{ service(name: "not-accepted") { id } }');
    assert.equal(data.service, null, 'a request that is not acceptable has no effect');
  });

  it('rejects invalid IDs and IDs of another type', async () => {
    const { errors } = await under.api.graphql('{ node(id: "abc") { id } }');
    assert.equal(errors[0]?.extensions.code, 'BAD_USER_INPUT');
    const id = await under.create('web');
    const other = await under.api.graphql(FINISH, { input: { id, outcome: 'FAILED' } });
    assert.match(other.errors[0]!.message, /is the ID of a Service, expected the ID of a Deployment/);
  });

  it('records a deployment once per idempotency key and finishes it once', async () => {
    const serviceId = await under.create('web');
    const first = await under.record({ serviceId, commit: '4f2c1e9' });
    const again = await under.record({ serviceId, commit: '4f2c1e9' });
    const { id, ...deployment } = first.data.recordDeployment;
    assert.equal(again.data.recordDeployment.id, id);
    assert.deepEqual(
      [deployment.status, deployment.environment.name, deployment.service.name],
      ['IN_PROGRESS', 'production', 'web'],
    );

    const other = await under.record({ serviceId, version: '2.0.0' });
    assert.equal(other.errors[0]?.extensions.code, 'CONFLICT');
    assert.equal(other.errors[0]?.extensions.field, 'input.idempotencyKey');

    const end = await under.api.graphql(FINISH, { input: { id, outcome: 'SUCCEEDED' } });
    const endAgain = await under.api.graphql(FINISH, { input: { id, outcome: 'SUCCEEDED' } });
    assert.deepEqual(endAgain.data, end.data);
    const otherEnd = await under.api.graphql(FINISH, { input: { id, outcome: 'FAILED' } });
    assert.match(otherEnd.errors[0]!.message, /is already finished with status SUCCEEDED/);
  });

  it('returns the same deployment to concurrent requests with the same idempotency key', async () => {
    const serviceId = await under.create('web');
    const answers = await Promise.all(Array.from({ length: 10 }, () => under.record({ serviceId })));
    assert.equal(new Set(answers.map(({ data }) => data.recordDeployment.id)).size, 1);
  });

  it('rejects a deployment of an unknown service and a finish time before the start', async () => {
    const none = Buffer.from('Service:00000000-0000-4000-8000-000000000000').toString('base64url');
    const missing = await under.record({ serviceId: none });
    assert.deepEqual(
      [missing.errors[0]?.extensions.code, missing.errors[0]?.extensions.field],
      ['NOT_FOUND', 'input.serviceId'],
    );
    const serviceId = await under.create('web');
    const { id } = (await under.record({ serviceId })).data.recordDeployment;
    const early = await under.api.graphql(FINISH, {
      input: { id, outcome: 'FAILED', finishedAt: '2020-01-01T00:00:00Z' },
    });
    assert.equal(early.errors[0]?.extensions.field, 'input.finishedAt');
  });

  it('masks internal errors in responses and logs their cause', async () => {
    await under.postgres.query('ALTER TABLE services RENAME TO hidden', under.url);
    const { errors, text } = await under.api.graphql(
      '{ services { totalCount edges { node { name } } } }',
      {},
      { 'x-request-id': 'req-masked' },
    );
    await under.postgres.query('ALTER TABLE hidden RENAME TO services', under.url);
    assert.equal(errors[0]?.message, 'internal error');
    assert.deepEqual(errors[0]?.extensions, { code: 'INTERNAL_SERVER_ERROR', requestId: 'req-masked' });
    assert.doesNotMatch(text, /relation|SELECT|stack|hidden/);
    const logged = under.api.logs.find(
      ({ msg, requestId }) => msg === 'GraphQL operation failed' && requestId === 'req-masked',
    );
    assert.match(JSON.stringify(logged), /relation .*services.* does not exist/);
  });

  it('rejects requests that are not GraphQL with GraphQL errors', async () => {
    const post = (body: string, headers: Record<string, string>) =>
      under.api.fetch('/graphql', { method: 'POST', body, headers });
    const json = { 'content-type': 'application/json' };
    const large = await post(JSON.stringify({ query: 'x'.repeat(1_100_000) }), json);
    assert.equal(large.status, 413);
    assert.match(await large.text(), /"errors":\[\{"message":.*"code":"FST_ERR_CTP_BODY_TOO_LARGE"/);
    assert.equal((await post('{', json)).status, 400);
    assert.equal((await under.api.fetch('/nowhere')).status, 404);
    const simple = await post(JSON.stringify({ query: '{ __typename }' }), { 'content-type': 'text/plain' });
    assert.equal(simple.status, 400, 'a cross-site request that a browser sends without a preflight');
    assert.equal((await under.api.fetch('/graphql?query={__typename}')).status, 400);
    assert.equal((await under.api.graphql('{ nope }')).status, 400);
    const long = await under.api.graphql(`{ ${'__typename '.repeat(6_000)} }`);
    assert.equal(long.status, 400);
  });

  it('counts requests and operations with a limited number of operation names', async () => {
    await under.api.graphql('query Named { __typename }');
    for (let i = 0; i < 120; i += 1) await under.api.graphql(`query Many${i} { __typename }`);
    const metrics = await under.api.metrics();
    assert.match(metrics, /graphql_operation_duration_seconds_count\{operation="Named",type="query"\} 1/);
    const names = new Set(metrics.match(/graphql_operation_duration_seconds_count\{operation="[^"]*"/g));
    assert.ok(names.size <= 102, `${names.size} names`);
    assert.match(
      metrics,
      /http_request_duration_seconds_count\{method="POST",route="\/graphql",status="200"\}/,
    );
    assert.match(metrics, /pcf_api_database_ready 1/);
    assert.match(metrics, /pcf_api_database_connections\{server="primary",state="idle"\} \d/);
    assert.match(metrics, /process_cpu_seconds_total/);
  });

  it('serves introspection and a playground without external resources in development', async () => {
    const { data } = await under.api.graphql('{ __schema { queryType { name } } }');
    assert.equal(data.__schema.queryType.name, 'Query');
    const page = await under.api.fetch('/graphql', { headers: { accept: 'text/html' } });
    const html = await page.text();
    assert.equal(page.status, 200);
    assert.match(html, /<title>PCF API<\/title>/);
    assert.doesNotMatch(html, /<(script|link|img)[^>]+(src|href)="https?:/);
  });
});

describe('api-server GraphQL in production', () => {
  let api: ApiProcess;

  before(async () => {
    const url = await migratedDatabase();
    api = await ApiProcess.start({
      PCF_API__ENVIRONMENT: 'production',
      PCF_API__DATABASE__URL: url,
      PCF_API__AUTH__JWT_SECRET: JWT_SECRET,
    });
    await api.waitForReady();
  });
  after(() => api?.kill());

  it('disables introspection, the playground and name suggestions', async () => {
    const headers = await bearer();
    const { status, errors } = await api.graphql('{ __schema { queryType { name } } }', {}, headers);
    assert.equal(status, 400);
    assert.match(errors[0]!.message, /introspection has been disabled/);
    const page = await api.fetch('/graphql', { headers: { accept: 'text/html', ...headers } });
    assert.equal(page.status, 406);
    assert.doesNotMatch(await page.text(), /<html/);
    const typo = await api.graphql('{ servicez { totalCount } }', {}, headers);
    assert.doesNotMatch(typo.text, /Did you mean/);
  });
});
