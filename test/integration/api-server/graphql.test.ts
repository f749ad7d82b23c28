import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ENV, EXIT } from '../../../contract/image.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { bearer, JWT_SECRET } from '../../support/fixtures/tokens.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { ApiProcess, runRole } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const CREATE =
  'mutation Create($input: CreateServiceInput!) { createService(input: $input) { id name owner } }';
const RECORD = `mutation Record($input: RecordDeploymentInput!) {
  recordDeployment(input: $input) { id version status startedAt finishedAt environment { name } service { id name } }
}`;
const FINISH = `mutation Finish($input: FinishDeploymentInput!) {
  finishDeployment(input: $input) { id status finishedAt }
}`;

describe('api-server GraphQL', () => {
  let postgres: TestPostgres;
  let url: string;
  let api: ApiProcess;

  const create = async (name: string): Promise<string> =>
    (await api.graphql(CREATE, { input: { name } })).data.createService.id;
  const record = (input: object) =>
    api.graphql(RECORD, {
      input: { environment: 'production', version: '1.0.0', idempotencyKey: 'k1', ...input },
    });

  before(async () => {
    postgres = await sharedPostgres();
    url = await migratedDatabase();
    await postgres.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET log_statement = 'all'`, url);
    api = await ApiProcess.start({
      PCF_API__DATABASE__URL: url,
      PCF_REVISION: 'pcf-api-1a2b',
      PCF_VERSION: '9.8.7',
      PCF_API__SCHEMA_USAGE__FLUSH: '1s',
    });
    await api.waitForReady();
  });
  beforeEach(() => postgres.query('TRUNCATE services, deployments CASCADE', url));
  after(() => api?.kill());

  it('returns the request ID, the version and the revision in headers', async () => {
    const { headers } = await api.graphql('{ __typename }', {}, { 'x-request-id': 'req-1' });
    assert.equal(headers.get('x-request-id'), 'req-1');
    assert.equal(headers.get('x-pcf-version'), '9.8.7');
    assert.equal(headers.get('x-pcf-revision'), 'pcf-api-1a2b');

    const made = await api.graphql('{ __typename }', {}, { 'x-request-id': 'not fit {for} a log' });
    assert.match(made.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
    const logged = () =>
      api.logs.some(({ requestId, msg }) => requestId === 'req-1' && msg === 'request done');
    await eventually('the request is in the log', logged);
  });

  it('creates a service and finds it by name, by ID and as a node', async () => {
    const made = await api.graphql(CREATE, { input: { name: 'web', owner: 'platform' } });
    const { id } = made.data.createService;
    const found = await api.graphql(
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
    await create('web');
    const { errors } = await api.graphql(CREATE, { input: { name: 'web' } });
    assert.match(errors[0]!.message, /a service named web already exists/);
    assert.equal(errors[0]!.extensions.code, 'CONFLICT');
    assert.equal(errors[0]!.extensions.field, 'input.name');
    assert.ok(errors[0]!.extensions.requestId);
  });

  it('records which client uses which coordinates, and checks another schema against it', async () => {
    await create('web');
    const headers = {
      'apollographql-client-name': 'dashboard',
      'apollographql-client-version': '2.1.0',
    };
    await api.graphql(
      'query Used($filter: DeploymentFilter) { deployments(filter: $filter) { totalCount } service(name: "web") { owner } }',
      { filter: { version: ['1.0.0'], status: ['FAILED'] } },
      headers,
    );
    const USED = `query ($filter: SchemaUsageFilter) {
      schemaUsage(first: 100, filter: $filter) { edges { node { coordinate client version count day } } }
    }`;
    const filter = { application: ['dashboard'], since: new Date(Date.now() - 60_000).toISOString() };
    const used = async () => (await api.graphql(USED, { filter })).data.schemaUsage.edges;
    await eventually('the use is recorded', async () => (await used()).length > 0);
    const rows: { coordinate: string }[] = (await used()).map(({ node }: { node: object }) => node);
    const day = `${new Date().toISOString().slice(0, 10)}T00:00:00.000Z`;
    for (const coordinate of ['Service.owner', 'DeploymentStatus.FAILED', 'DeploymentFilter.version']) {
      assert.deepEqual(
        rows.find((row) => row.coordinate === coordinate),
        { coordinate, client: 'open', version: '2.1.0', count: 1, day },
      );
    }

    const env = { PCF_API__DATABASE__URL: url };
    const folder = mkdtempSync(join(tmpdir(), 'pcf-test-schema-'));
    const check = async (change: (sdl: string) => string, ...flags: string[]) => {
      const file = join(folder, 'changed.graphql');
      writeFileSync(file, change(readFileSync('api-server/schema.graphql', 'utf8')));
      return runRole(['schema', 'check', '--schema', file, ...flags], env);
    };
    const withoutOwner = (sdl: string) =>
      sdl.replace(/(type Service [^}]*?)\n {2}owner: String\n/, '$1\n  other: Int\n');
    const removed = await check(withoutOwner, '--json');
    assert.deepEqual([removed.code, removed.stderr], [1, '']);
    const { inUse } = JSON.parse(removed.stdout);
    assert.deepEqual([inUse.length, inUse[0].change], [1, 'Service.owner was removed']);
    const applications = inUse[0].clients.map(({ application }: { application?: string }) => application);
    assert.ok(applications.includes('dashboard'), removed.stdout);
    assert.equal((await check(withoutOwner, '--ignore-client', 'open')).code, 0);
    assert.equal(
      (await check((sdl) => sdl.replace(/^ {2}RUNNING$/m, '  ADDED'))).code,
      0,
      'no client uses it',
    );
    const invalid = await check(() => 'type Query {');
    assert.equal(invalid.code, EXIT.usage);
    assert.match(invalid.stderr, /changed\.graphql is not a GraphQL schema in SDL: Syntax Error/);
    const directory = await runRole(['schema', 'check', '--schema', folder], env);
    assert.equal(directory.code, EXIT.usage, directory.stderr);
    rmSync(folder, { recursive: true });

    const { stdout } = await runRole(['migrate', 'up', '--phase', 'expand', '--json'], {
      ...env,
      [ENV.schemaCheckWindow]: '60000',
    });
    assert.deepEqual(JSON.parse(stdout).schemaCheck, { inUse: [] }, 'the schema of this image is served');
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
      const { errors, status } = await api.graphql(CREATE, { input });
      assert.equal(status, 200);
      assert.equal(errors[0]!.extensions.code, 'BAD_USER_INPUT');
      assert.equal(errors[0]!.extensions.field, field);
      assert.match(errors[0]!.message, message);
    });
  }

  it('returns all problems of an input in one error', async () => {
    const { errors } = await api.graphql(CREATE, { input: { name: 'Web', owner: '' } });
    assert.equal((errors[0]!.extensions.problems as unknown[]).length, 2);
  });

  for (const [defect, args, field] of [
    ['first above 100', 'first: 101', 'first'],
    ['first below 0', 'first: -1', 'first'],
    ['last below 0', 'last: -1', 'last'],
    ['first and last', 'first: 1, last: 1', 'last'],
    ['an invalid cursor', 'after: "nonsense"', 'after'],
    ['a cursor of another list', `after: "${Buffer.from('["a","b","c"]').toString('base64url')}"`, 'after'],
  ] as const) {
    it(`rejects ${defect}`, async () => {
      const { errors } = await api.graphql(`{ services(${args}) { totalCount } }`);
      assert.equal(errors[0]?.extensions.code, 'BAD_USER_INPUT');
      assert.equal(errors[0]?.extensions.field, field);
    });
  }

  it('returns the total count and page info, but no items, for first: 0 and last: 0', async () => {
    const list = (args: string) =>
      `{ services(${args}) { totalCount edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor } } }`;
    await create('web');
    const { data, errors } = await api.graphql(list('first: 0'));
    assert.deepEqual(errors, []);
    const pageInfo = { hasNextPage: true, hasPreviousPage: false, startCursor: null };
    assert.deepEqual(data.services, { totalCount: 1, edges: [], pageInfo });
    const last = await api.graphql(list('last: 0'));
    assert.deepEqual(last.data.services.pageInfo, { ...pageInfo, hasNextPage: false, hasPreviousPage: true });
  });

  it('serves other clients after one sends null for the condition of a directive', async () => {
    await create('web');
    const query = `query Page($more: Boolean = false) {
      services(first: 1) { totalCount edges { node { name owner @include(if: $more) } } }
    }`;
    for (let time = 0; time < 2; time += 1) {
      const wrong = await api.graphql(query, { more: null });
      assert.equal(wrong.errors[0]?.extensions.code, 'BAD_USER_INPUT');
      const { data, errors } = await api.graphql(query);
      assert.deepEqual(errors, []);
      assert.deepEqual(data.services.edges, [{ node: { name: 'web' } }]);
    }
    const atRoot = 'query Root($more: Boolean = false) { __typename a: __typename @include(if: $more) }';
    const wrong = await api.graphql(atRoot, { more: null });
    assert.deepEqual([wrong.status, wrong.errors[0]?.extensions.code], [200, 'BAD_USER_INPUT']);
    assert.deepEqual((await api.graphql(atRoot)).data, { __typename: 'Query' });
  });

  it('responds with the accepted content type, also for a cached document', async () => {
    const query = '{ services { totalCount } accepted: __typename }';
    const send = (accept: string, document = query) =>
      api.fetch('/graphql', {
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
    const { data } = await api.graphql('{ service(name: "not-accepted") { id } }');
    assert.equal(data.service, null, 'a request that is not acceptable has no effect');
  });

  it('rejects invalid IDs and IDs of another type', async () => {
    const { errors } = await api.graphql('{ node(id: "abc") { id } }');
    assert.equal(errors[0]?.extensions.code, 'BAD_USER_INPUT');
    const id = await create('web');
    const other = await api.graphql(FINISH, { input: { id, outcome: 'FAILED' } });
    assert.match(other.errors[0]!.message, /is the ID of a Service, expected the ID of a Deployment/);
  });

  it('pages forward and backward over all services while services are created and deleted', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await create(name);
    const page = async (args: string) => {
      const { data } = await api.graphql(
        `{ services(${args}) { totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { node { name } } } }`,
      );
      const { edges, pageInfo, totalCount } = data.services;
      return {
        names: edges.map(({ node }: { node: { name: string } }) => node.name).join(''),
        totalCount,
        ...pageInfo,
      };
    };
    const first = await page('first: 2');
    assert.deepEqual(
      [first.names, first.totalCount, first.hasNextPage, first.hasPreviousPage],
      ['ab', 5, true, false],
    );
    await postgres.query("DELETE FROM services WHERE name = 'b'", url);
    await create('aa');
    const second = await page(`first: 2, after: "${first.endCursor}"`);
    assert.deepEqual([second.names, second.hasNextPage, second.hasPreviousPage], ['cd', true, true]);
    const third = await page(`first: 2, after: "${second.endCursor}"`);
    assert.deepEqual([third.names, third.hasNextPage], ['e', false]);
    const back = await page(`last: 2, before: "${third.startCursor}"`);
    assert.deepEqual([back.names, back.hasPreviousPage, back.hasNextPage], ['cd', true, true]);
    assert.equal((await page('last: 2')).names, 'de');
  });

  it('pages over deployments that started in the same millisecond', async () => {
    const serviceId = await create('web');
    const startedAt = '2026-01-01T00:00:00.001Z';
    for (let i = 0; i < 5; i += 1) await record({ serviceId, startedAt, idempotencyKey: `k${i}` });
    const ids = new Set<string>();
    let after: string | null = null;
    do {
      const { data } = await api.graphql(
        'query Page($after: String) { deployments(first: 2, after: $after) { pageInfo { hasNextPage endCursor } edges { node { id } } } }',
        { after },
      );
      for (const { node } of data.deployments.edges) ids.add(node.id);
      after = data.deployments.pageInfo.hasNextPage ? data.deployments.pageInfo.endCursor : null;
    } while (after);
    assert.equal(ids.size, 5);
  });

  it('records a deployment once per idempotency key and finishes it once', async () => {
    const serviceId = await create('web');
    const first = await record({ serviceId, commit: '4f2c1e9' });
    const again = await record({ serviceId, commit: '4f2c1e9' });
    const { id, ...deployment } = first.data.recordDeployment;
    assert.equal(again.data.recordDeployment.id, id);
    assert.deepEqual(
      [deployment.status, deployment.environment.name, deployment.service.name],
      ['IN_PROGRESS', 'production', 'web'],
    );

    const other = await record({ serviceId, version: '2.0.0' });
    assert.equal(other.errors[0]?.extensions.code, 'CONFLICT');
    assert.equal(other.errors[0]?.extensions.field, 'input.idempotencyKey');

    const end = await api.graphql(FINISH, { input: { id, outcome: 'SUCCEEDED' } });
    const endAgain = await api.graphql(FINISH, { input: { id, outcome: 'SUCCEEDED' } });
    assert.deepEqual(endAgain.data, end.data);
    const otherEnd = await api.graphql(FINISH, { input: { id, outcome: 'FAILED' } });
    assert.match(otherEnd.errors[0]!.message, /is already finished with status SUCCEEDED/);
  });

  it('returns the same deployment to concurrent requests with the same idempotency key', async () => {
    const serviceId = await create('web');
    const answers = await Promise.all(Array.from({ length: 10 }, () => record({ serviceId })));
    assert.equal(new Set(answers.map(({ data }) => data.recordDeployment.id)).size, 1);
  });

  it('rejects a deployment of an unknown service and a finish time before the start', async () => {
    const none = Buffer.from('Service:00000000-0000-4000-8000-000000000000').toString('base64url');
    const missing = await record({ serviceId: none });
    assert.deepEqual(
      [missing.errors[0]?.extensions.code, missing.errors[0]?.extensions.field],
      ['NOT_FOUND', 'input.serviceId'],
    );
    const serviceId = await create('web');
    const { id } = (await record({ serviceId })).data.recordDeployment;
    const early = await api.graphql(FINISH, {
      input: { id, outcome: 'FAILED', finishedAt: '2020-01-01T00:00:00Z' },
    });
    assert.equal(early.errors[0]?.extensions.field, 'input.finishedAt');
  });

  it('filters deployments by service and environment, newest first', async () => {
    const [web, db] = [await create('web'), await create('db')];
    await record({ serviceId: web, idempotencyKey: '1', version: 'v1', startedAt: '2026-01-01T00:00:00Z' });
    await record({ serviceId: web, idempotencyKey: '2', version: 'v2', startedAt: '2026-01-02T00:00:00Z' });
    await record({ serviceId: web, idempotencyKey: '3', version: 'v3', environment: 'staging' });
    await record({ serviceId: db, idempotencyKey: '1', version: 'd1' });
    const { data, errors } = await api.graphql(
      `query Filter($web: ID!) {
        mine: deployments(serviceId: $web, environment: "production") { totalCount edges { node { version } } }
        services { edges { node { name deployments(first: 1, environment: "production") { totalCount edges { node { version service { name } } } } } } }
      }`,
      { web },
    );
    assert.deepEqual(errors, []);
    const versions = (list: { edges: { node: { version: string } }[] }) =>
      list.edges.map(({ node }) => node.version);
    assert.deepEqual([data.mine.totalCount, versions(data.mine)], [2, ['v2', 'v1']]);
    const nested = data.services.edges.map(({ node }: never) => node as { name: string; deployments: never });
    assert.deepEqual(
      nested.map(({ name, deployments }: { name: string; deployments: never }) => [
        name,
        (deployments as { totalCount: number }).totalCount,
        versions(deployments),
      ]),
      [
        ['db', 1, ['d1']],
        ['web', 2, ['v2']],
      ],
    );
  });

  it('runs a fixed number of statements for any number of services', async () => {
    for (let i = 0; i < 12; i += 1) {
      const serviceId = await create(`s${i}`);
      await record({ serviceId });
    }
    // Not a position: the log has only the last megabyte.
    const first = `SELECT 'start of ${randomUUID()}'`;
    await postgres.query(first, url);
    const query =
      'query Fixed { deployments(first: 50) { edges { node { service { name deployments { totalCount edges { node { id } } } } } } } }';
    const { data } = await api.graphql(query);
    assert.equal(data.deployments.edges.length, 12);
    assert.equal(data.deployments.edges[0].node.service.deployments.totalCount, 1);
    // The log is in order: with this statement it has all earlier ones.
    const last = `SELECT 'end of ${randomUUID()}'`;
    await postgres.query(last, url);
    await eventually('the statements are in the log', () => postgres.log.includes(last));
    const statements =
      postgres.log
        .slice(postgres.log.lastIndexOf(first) + first.length, postgres.log.lastIndexOf(last))
        .match(/(execute [^:]+|statement): SELECT (?!1\b|pg_notify)/gi) ?? [];
    // One statement each for deployments, their services, the pages of those services, and their counts.
    assert.equal(statements.length, 4);
  });

  it('masks internal errors in responses and logs their cause', async () => {
    await postgres.query('ALTER TABLE services RENAME TO hidden', url);
    const { errors, text } = await api.graphql(
      '{ services { totalCount edges { node { name } } } }',
      {},
      { 'x-request-id': 'req-masked' },
    );
    await postgres.query('ALTER TABLE hidden RENAME TO services', url);
    assert.equal(errors[0]?.message, 'internal error');
    assert.deepEqual(errors[0]?.extensions, { code: 'INTERNAL_SERVER_ERROR', requestId: 'req-masked' });
    assert.doesNotMatch(text, /relation|SELECT|stack|hidden/);
    const logged = api.logs.find(
      ({ msg, requestId }) => msg === 'GraphQL operation failed' && requestId === 'req-masked',
    );
    assert.match(JSON.stringify(logged), /relation .*services.* does not exist/);
  });

  it('rejects requests that are not GraphQL with GraphQL errors', async () => {
    const post = (body: string, headers: Record<string, string>) =>
      api.fetch('/graphql', { method: 'POST', body, headers });
    const json = { 'content-type': 'application/json' };
    const large = await post(JSON.stringify({ query: 'x'.repeat(1_100_000) }), json);
    assert.equal(large.status, 413);
    assert.match(await large.text(), /"errors":\[\{"message":.*"code":"FST_ERR_CTP_BODY_TOO_LARGE"/);
    assert.equal((await post('{', json)).status, 400);
    assert.equal((await api.fetch('/nowhere')).status, 404);
    const simple = await post(JSON.stringify({ query: '{ __typename }' }), { 'content-type': 'text/plain' });
    assert.equal(simple.status, 400, 'a cross-site request that a browser sends without a preflight');
    assert.equal((await api.fetch('/graphql?query={__typename}')).status, 400);
    assert.equal((await api.graphql('{ nope }')).status, 400);
    const long = await api.graphql(`{ ${'__typename '.repeat(6_000)} }`);
    assert.equal(long.status, 400);
  });

  it('counts requests and operations with a limited number of operation names', async () => {
    await api.graphql('query Named { __typename }');
    for (let i = 0; i < 120; i += 1) await api.graphql(`query Many${i} { __typename }`);
    const metrics = await api.metrics();
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
    const { data } = await api.graphql('{ __schema { queryType { name } } }');
    assert.equal(data.__schema.queryType.name, 'Query');
    const page = await api.fetch('/graphql', { headers: { accept: 'text/html' } });
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
