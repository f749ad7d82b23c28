import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { eventually } from '../../support/cluster/pcf-api.js';
import { GraphqlUnderTest } from './graphql-under-test.js';

describe('api-server GraphQL lists', () => {
  let under: GraphqlUnderTest;

  before(async () => {
    under = await GraphqlUnderTest.start();
  });
  beforeEach(() => under.clear());
  after(() => under?.api.kill());

  for (const [defect, args, field] of [
    ['first above 100', 'first: 101', 'first'],
    ['first below 0', 'first: -1', 'first'],
    ['last below 0', 'last: -1', 'last'],
    ['first and last', 'first: 1, last: 1', 'last'],
    ['an invalid cursor', 'after: "nonsense"', 'after'],
    ['a cursor of another list', `after: "${Buffer.from('["a","b","c"]').toString('base64url')}"`, 'after'],
  ] as const) {
    it(`rejects ${defect}`, async () => {
      const { errors } = await under.api.graphql(`{ services(${args}) { totalCount } }`);
      assert.equal(errors[0]?.extensions.code, 'BAD_USER_INPUT');
      assert.equal(errors[0]?.extensions.field, field);
    });
  }

  it('returns the total count and page info, but no items, for first: 0 and last: 0', async () => {
    const list = (args: string) =>
      `{ services(${args}) { totalCount edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor } } }`;
    await under.create('web');
    const { data, errors } = await under.api.graphql(list('first: 0'));
    assert.deepEqual(errors, []);
    const pageInfo = { hasNextPage: true, hasPreviousPage: false, startCursor: null };
    assert.deepEqual(data.services, { totalCount: 1, edges: [], pageInfo });
    const last = await under.api.graphql(list('last: 0'));
    assert.deepEqual(last.data.services.pageInfo, { ...pageInfo, hasNextPage: false, hasPreviousPage: true });
  });

  it('pages forward and backward over all services while services are created and deleted', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await under.create(name);
    const page = async (args: string) => {
      const { data } = await under.api.graphql(
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
    await under.postgres.query("DELETE FROM services WHERE name = 'b'", under.url);
    await under.create('aa');
    const second = await page(`first: 2, after: "${first.endCursor}"`);
    assert.deepEqual([second.names, second.hasNextPage, second.hasPreviousPage], ['cd', true, true]);
    const third = await page(`first: 2, after: "${second.endCursor}"`);
    assert.deepEqual([third.names, third.hasNextPage], ['e', false]);
    const back = await page(`last: 2, before: "${third.startCursor}"`);
    assert.deepEqual([back.names, back.hasPreviousPage, back.hasNextPage], ['cd', true, true]);
    assert.equal((await page('last: 2')).names, 'de');
  });

  it('pages over deployments that started in the same millisecond', async () => {
    const serviceId = await under.create('web');
    const startedAt = '2026-01-01T00:00:00.001Z';
    for (let i = 0; i < 5; i += 1) await under.record({ serviceId, startedAt, idempotencyKey: `k${i}` });
    const ids = new Set<string>();
    let after: string | null = null;
    do {
      const { data } = await under.api.graphql(
        'query Page($after: String) { deployments(first: 2, after: $after) { pageInfo { hasNextPage endCursor } edges { node { id } } } }',
        { after },
      );
      for (const { node } of data.deployments.edges) ids.add(node.id);
      after = data.deployments.pageInfo.hasNextPage ? data.deployments.pageInfo.endCursor : null;
    } while (after);
    assert.equal(ids.size, 5);
  });

  it('filters deployments by service and environment, newest first', async () => {
    const [web, db] = [await under.create('web'), await under.create('db')];
    await under.record({
      serviceId: web,
      idempotencyKey: '1',
      version: 'v1',
      startedAt: '2026-01-01T00:00:00Z',
    });
    await under.record({
      serviceId: web,
      idempotencyKey: '2',
      version: 'v2',
      startedAt: '2026-01-02T00:00:00Z',
    });
    await under.record({ serviceId: web, idempotencyKey: '3', version: 'v3', environment: 'staging' });
    await under.record({ serviceId: db, idempotencyKey: '1', version: 'd1' });
    const { data, errors } = await under.api.graphql(
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
      const serviceId = await under.create(`s${i}`);
      await under.record({ serviceId });
    }
    // Not a position: the log has only the last megabyte.
    const first = `SELECT 'start of ${randomUUID()}'`;
    await under.postgres.query(first, under.url);
    const query =
      'query Fixed { deployments(first: 50) { edges { node { service { name deployments { totalCount edges { node { id } } } } } } } }';
    const { data } = await under.api.graphql(query);
    assert.equal(data.deployments.edges.length, 12);
    assert.equal(data.deployments.edges[0].node.service.deployments.totalCount, 1);
    // The log is in order: with this statement it has all earlier ones.
    const last = `SELECT 'end of ${randomUUID()}'`;
    await under.postgres.query(last, under.url);
    await eventually('the statements are in the log', () => under.postgres.log.includes(last));
    const statements =
      under.postgres.log
        .slice(under.postgres.log.lastIndexOf(first) + first.length, under.postgres.log.lastIndexOf(last))
        .match(/(execute [^:]+|statement): SELECT (?!1\b|pg_notify)/gi) ?? [];
    // One statement each for deployments, their services, the pages of those services, and their counts.
    assert.equal(statements.length, 4);
  });
});
