import assert from 'node:assert/strict';
import { graphql, parse } from 'graphql';
import { OPEN_IDENTITY } from '../../../api-server/auth/identity.js';
import { PreparedOperation } from '../../../api-server/graphql/execution/prepared-operation.js';
import { toGlobalId } from '../../../api-server/graphql/relay/global-id.js';
import { benchQueries } from '../../bench/api/queries.js';
import { DomainUnderTest } from './domain-under-test.js';

interface Connection {
  totalCount: number;
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string; endCursor: string };
  edges: { cursor: string; node: { id: string; name: string } }[];
}

const UUID = '00000000-0000-4000-8000-00000000000';
const INFO = 'pageInfo { hasNextPage hasPreviousPage startCursor endCursor }';

describe('api-server lists and nodes', () => {
  let domain: DomainUnderTest;

  before(async () => {
    domain = await DomainUnderTest.start();
  });
  beforeEach(() => domain.clear());
  after(() => domain?.close());

  /** Inserts services, with `each` releases, deployments and incidents per service. */
  const fill = async (services: number, each: number) => {
    await domain.sql(
      `INSERT INTO services (id, name, created_at)
       SELECT gen_random_uuid(), 's' || lpad(n::text, 4, '0'), now() - n * interval '1 day' FROM generate_series(1, $1) n`,
      [services],
    );
    await domain.sql(
      `INSERT INTO releases (service_id, version) SELECT id, '1.' || n FROM services, generate_series(1, $1) n`,
      [each],
    );
    await domain.sql(
      `INSERT INTO deployments (id, service_id, release_id, environment, version, started_at, idempotency_key)
       SELECT gen_random_uuid(), service_id, id, 'e' || id, version, now(), version FROM releases`,
    );
    await domain.sql(
      `INSERT INTO incidents (service_id, environment, deployment_id, title, severity, opened_at)
       SELECT service_id, environment, id, 'down', 'LOW', now() FROM deployments`,
    );
  };

  /** All relations of the domain, in both directions. */
  const EVERYTHING = `{ services(first: 100) { totalCount edges { node { id name
    releases { totalCount edges { node { version service { owner } deployments { edges { node { id } } } } } }
    incidents { edges { node { causedBy { version } service { name } environment { id description } } } }
    deployments(filter: { status: [IN_PROGRESS] }) { totalCount edges { node {
      version service { name repository } release { commit } environment { id deployments { edges { node { version } } } incidents { totalCount } }
      incidents { edges { node { title environment { name } } } } } } } } } } }`;

  it('runs as many statements for 40 services as for 1, on every relation', async () => {
    await fill(1, 1);
    const one = await domain.run(EVERYTHING);
    await domain.clear();
    await fill(40, 3);
    const many = await domain.run(EVERYTHING);
    assert.deepEqual([one.errors, many.errors], [[], []]);
    assert.equal(many.data.services.edges.length, 40);
    assert.equal(
      many.data.services.edges[39].node.deployments.edges[2].node.incidents.edges[0].node.title,
      'down',
    );
    assert.equal(many.statements.length, one.statements.length);
    assert.ok(
      one.statements.length <= 19,
      `${one.statements.length} statements:\n${one.statements.join('\n')}`,
    );
  });

  it('reads only the columns that the query selects', async () => {
    await fill(3, 1);
    const columns = async (query: string) => {
      const { statements, errors } = await domain.run(query);
      assert.deepEqual(errors, []);
      return statements.map((sql) => [...sql.matchAll(/ AS "(\w+)"/g)].map(([, name]) => name).join());
    };
    assert.deepEqual(await columns('{ services { edges { node { name } } } }'), ['uuid,name']);
    assert.deepEqual(await columns('{ services { edges { cursor } } }'), ['uuid,name']);
    assert.deepEqual(
      await columns(
        'query Q { services { ...C } } fragment C on ServiceConnection { edges { node { ... on Service { owner } } } }',
      ),
      ['uuid,name,owner'],
      'includes columns of fragments; the cursor contains the name',
    );
    assert.deepEqual(
      await columns('{ deployments { edges { node { service { owner } environment { name } } } } }'),
      ['uuid,serviceId,environmentName,startedAt', 'uuid,owner'],
      'the name of an environment requires no read',
    );
    assert.deepEqual(
      await columns('{ services { edges { node { deployments { edges { node { version } } } } } } }'),
      ['uuid,name', 'uuid,version,startedAt'].map((list, index) =>
        index === 1 ? `parentKey,${list}` : list,
      ),
    );
    const [hidden] = await columns('{ deployments { edges { node { ...on Node { __typename } } } } }');
    assert.doesNotMatch(hidden!, /idempotency|digest/i);
  });

  it('counts only if totalCount is selected, with one statement for all parents', async () => {
    await fill(5, 2);
    const counted = async (query: string) =>
      (await domain.run(query)).statements.filter((sql) => sql.includes('count(*)')).length;
    assert.equal(
      await counted('{ services { edges { node { name deployments { edges { node { id } } } } } } }'),
      0,
    );
    assert.equal(
      await counted('{ services { totalCount edges { node { name deployments { totalCount } } } } }'),
      2,
    );
    assert.equal(
      await counted('query Q($no: Boolean = false) { services { totalCount @include(if: $no) } }'),
      0,
    );
  });

  it('sorts by each field in both directions, and paginates in that order', async () => {
    await fill(7, 1);
    const names = async (orderBy: string) => {
      const found: string[] = [];
      for (let after = '', more = true; more; ) {
        const { services }: { services: Connection } = await domain.ask(
          `{ services(first: 3, orderBy: ${orderBy} ${after}) { ${INFO} edges { node { id name } } } }`,
        );
        found.push(...services.edges.map(({ node }) => node.name));
        more = services.pageInfo.hasNextPage;
        after = `, after: "${services.pageInfo.endCursor}"`;
      }
      return found.map((name) => Number(name.slice(1))).join('');
    };
    assert.equal(await names('{ field: NAME, direction: ASC }'), '1234567');
    assert.equal(await names('{ field: NAME, direction: DESC }'), '7654321');
    assert.equal(await names('{ field: CREATED_AT, direction: ASC }'), '7654321');
    assert.equal(await names('{ field: CREATED_AT, direction: DESC }'), '1234567');
  });

  it('refuses a cursor of another list or another order', async () => {
    await fill(3, 1);
    const { services } = await domain.ask(
      '{ services(orderBy: { field: CREATED_AT, direction: ASC }) { pageInfo { endCursor } } }',
    );
    const cursor = services.pageInfo.endCursor;
    for (const list of ['services', 'deployments', 'incidents', 'releases', 'environments', 'webhooks']) {
      const { errors } = await domain.run(`{ ${list}(after: "${cursor}") { edges { cursor } } }`);
      assert.deepEqual([errors[0]?.code, errors[0]?.field], ['BAD_USER_INPUT', 'after'], list);
      assert.match(errors[0]!.message, /is not a cursor of this list/);
    }
  });

  const forge = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  for (const [what, cursor] of [
    ['an empty string', ''],
    ['not base64', '%%%'],
    ['not JSON', 'abcd'],
    ['an object', forge({ startedAt: '2026-01-01T00:00:00.000Z' })],
    ['too few values', forge(['2026-01-01T00:00:00.000Z'])],
    ['numbers', forge([1, 2])],
    ['an invalid time', forge(['yesterday', `${UUID}1`])],
    ['a time in the year 0', forge(['0000-01-01T00:00:00.000Z', `${UUID}1`])],
    ['SQL', forge(["2026-01-01T00:00:00.000Z' OR 1=1 --", `${UUID}1`])],
    ['100,000 characters', forge(['x'.repeat(100_000)])],
  ] as const) {
    it(`refuses a cursor with invalid content: ${what}`, async () => {
      const { errors } = await domain.run(
        'query ($after: String) { deployments(after: $after) { edges { cursor } } }',
        {
          after: cursor,
        },
      );
      assert.deepEqual([errors[0]?.code, errors[0]?.field], ['BAD_USER_INPUT', 'after']);
    });
  }

  for (const [what, id] of [
    ['an empty string', ''],
    ['plain text', 'Service:1'],
    ['a UUID without a type', Buffer.from(`${UUID}1`).toString('base64url')],
    ['a number instead of a UUID', Buffer.from('Service:1').toString('base64url')],
    ['SQL', Buffer.from("Service:1' OR 1=1 --").toString('base64url')],
    ['an unknown type', toGlobalId('Nothing', `${UUID}1`)],
    ['the name of a property of Object.prototype', toGlobalId('Constructor', `${UUID}1`)],
    ['a type that is not a Node', toGlobalId('PageInfo', `${UUID}1`)],
    ['base64 padding', `${toGlobalId('Service', `${UUID}1`)}==`],
    ['a leading space', ` ${toGlobalId('Service', `${UUID}1`)}`],
  ] as const) {
    it(`refuses an ID with invalid content: ${what}`, async () => {
      const { errors } = await domain.run('query ($id: ID!) { node(id: $id) { id } }', { id });
      assert.deepEqual([errors[0]?.code, errors[0]?.field], ['BAD_USER_INPUT', 'id']);
    });
  }

  it('returns nodes in the order of their IDs, with null for missing nodes, in one statement per type', async () => {
    await fill(3, 1);
    const { services, deployments } = await domain.ask(
      '{ services { edges { node { id } } } deployments { edges { node { id } } } }',
    );
    const [a, b, c] = services.edges.map(({ node }: { node: { id: string } }) => node.id);
    const { id } = deployments.edges[0].node;
    const ids = [b, id, toGlobalId('Service', `${UUID}1`), a, c, b];
    const { data, statements } = await domain.run(
      'query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }',
      {
        ids,
      },
    );
    assert.deepEqual(
      data.nodes.map((node: { id: string } | null) => node?.id ?? null),
      [b, id, null, a, c, b],
    );
    assert.equal(statements.length, 2);
    const { errors } = await domain.run('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', {
      ids: Array.from({ length: 101 }, () => a),
    });
    assert.deepEqual([errors[0]?.code, errors[0]?.field], ['BAD_USER_INPUT', 'ids']);
    const bad = await domain.run('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: [a, 'x'] });
    assert.equal(bad.errors[0]?.field, 'ids.1');
  });

  it('finds each type that implements Node by its ID', async () => {
    await domain.ask(
      'mutation { createWebhook(input: { url: "https://example.com", events: [DEPLOYMENT_RECORDED] }) { secret } }',
    );
    await fill(1, 1);
    await domain.record(await domain.createService('web'));
    await domain.ask(
      'mutation { createUser(input: { email: "a@example.com", name: "A", role: VIEWER }) { id } createApiKey(input: { name: "k", role: VIEWER }) { key } }',
    );
    await domain.sql(
      "INSERT INTO schema_usage (coordinate, client, application, version, day, count, last_used_at) VALUES ('Query.node', 'key:k', '', '', now(), 1, now())",
    );
    const types = domain.modules.schema.getPossibleTypes(domain.modules.schema.getType('Node') as never);
    assert.ok(types.length >= 6);
    for (const { name } of types) {
      const { node } = await domain.ask('query ($id: ID!) { node(id: $id) { id __typename } }', {
        id: await firstId(name),
      });
      assert.equal(node.__typename, name);
    }
  });

  /** Webhook messages are listed only by their webhook. */
  async function firstId(type: string): Promise<string> {
    if (type === 'WebhookMessage') {
      const { webhooks } = await domain.ask(
        '{ webhooks { edges { node { messages { edges { node { id } } } } } } }',
      );
      return webhooks.edges[0].node.messages.edges[0].node.id;
    }
    const name = `${type[0]!.toLowerCase()}${type.slice(1)}`;
    const list = type === 'SchemaUsage' ? name : `${name}s`;
    const found = await domain.ask(`{ ${list} { edges { node { id } } } }`);
    return found[list].edges[0].node.id;
  }

  it('new rows before the cursor do not change the next page, and new rows after the cursor are included', async () => {
    const web = await domain.createService('web');
    for (let day = 1; day <= 6; day += 1) {
      await domain.record(web, { version: `v${day}`, startedAt: `2026-01-0${day}T00:00:00Z` });
    }
    const page = async (args: string) => {
      const { service } = await domain.ask(
        `{ service(name: "web") { deployments(${args}) { ${INFO} edges { node { version } } } } }`,
      );
      const { edges, pageInfo } = service.deployments;
      const versions = edges.map(({ node }: { node: { version: string } }) => node.version);
      return { versions, ...pageInfo };
    };
    const first = await page('first: 2');
    assert.deepEqual(first.versions, ['v6', 'v5']);
    await domain.record(web, { version: 'new', startedAt: '2026-01-07T00:00:00Z' });
    await domain.record(web, { version: 'between', startedAt: '2026-01-04T12:00:00Z' });
    const second = await page(`first: 2, after: "${first.endCursor}"`);
    assert.deepEqual(second.versions, ['between', 'v4']);
    const back = await page(`last: 2, before: "${second.startCursor}"`);
    assert.deepEqual([back.versions, back.hasPreviousPage], [['v6', 'v5'], true]);
  });

  it('combines filters with AND', async () => {
    const web = await domain.createService('web');
    const at = (day: number) => ({ startedAt: `2026-01-0${day}T00:00:00Z`, version: `v${day}` });
    await domain.finish(await domain.record(web, { ...at(1), strategy: 'CANARY' }), 'FAILED');
    await domain.finish(await domain.record(web, { ...at(2), strategy: 'CANARY' }));
    await domain.finish(await domain.record(web, { ...at(3), strategy: 'BLUE_GREEN' }));
    await domain.record(web, at(4));
    const versions = async (filter: string) => {
      const { deployments } = await domain.ask(
        `{ deployments(filter: ${filter}) { totalCount edges { node { version } } } }`,
      );
      assert.equal(deployments.totalCount, deployments.edges.length);
      return deployments.edges.map(({ node }: { node: { version: string } }) => node.version).join();
    };
    assert.equal(await versions('{ status: [SUCCEEDED, IN_PROGRESS] }'), 'v4,v3,v2');
    assert.equal(await versions('{ status: [SUCCEEDED], strategy: [CANARY] }'), 'v2');
    assert.equal(
      await versions('{ startedFrom: "2026-01-02T00:00:00Z", startedTo: "2026-01-04T00:00:00Z" }'),
      'v3,v2',
    );
    assert.equal(await versions('{ version: ["v1", "v4", "none"] }'), 'v4,v1');
    assert.equal(await versions('{ status: [] }'), '');
    assert.equal(await versions('{}'), 'v4,v3,v2,v1');
  });

  it('executes each query of the benchmark with the result of graphql-js', async () => {
    await fill(12, 6);
    const [service] = await domain.sql<{ id: string }>('SELECT id FROM services LIMIT 1');
    const [from, to] = [-365, 1].map((days) => new Date(Date.now() + days * 86_400_000).toISOString());
    const { schema, context } = domain.modules;
    const seeded = {
      url: domain.url,
      serviceId: toGlobalId('Service', service!.id),
      environment: 'production',
    };
    const queries = benchQueries(schema, { ...seeded, from: from!, to: to! });
    assert.equal(queries.length, 5);
    for (const { name, query, variables } of queries) {
      // The second execution of the mutation has the same idempotency key, so it returns the same deployment.
      const expected = await graphql({
        ...{ schema, source: query, variableValues: variables },
        contextValue: context(OPEN_IDENTITY),
      });
      assert.equal(expected.errors, undefined, name);
      const prepared = PreparedOperation.of(schema, parse(query), undefined)!;
      const { values } = prepared.variables(variables);
      const executed = await prepared.execute(context(OPEN_IDENTITY), values!);
      assert.deepEqual(JSON.parse(JSON.stringify(executed)), JSON.parse(JSON.stringify(expected)), name);
    }
  });
});
