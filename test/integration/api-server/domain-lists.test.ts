import assert from 'node:assert/strict';
import { toGlobalId } from '../../../api-server/graphql/relay/global-id.js';
import { DomainUnderTest, OPEN } from './domain-under-test.js';

const UNKNOWN_UUID = '00000000-0000-4000-8000-000000000000';

describe('api-server incidents, search and lists', () => {
  let domain: DomainUnderTest;

  before(async () => {
    domain = await DomainUnderTest.start();
  });
  beforeEach(() => domain.clear());
  after(() => domain?.close());

  describe('incidents', () => {
    it('are opened once per idempotency key, resolved once, and return the deployment that caused them', async () => {
      const serviceId = await domain.createService('web');
      const deploymentId = await domain.record(serviceId);
      const input = {
        serviceId,
        deploymentId,
        environment: 'production',
        title: 'Checkout fails',
        severity: 'HIGH',
        openedAt: '2026-01-01T00:00:00Z',
        idempotencyKey: 'pager-1',
      };
      const { openIncident } = await domain.ask(OPEN, { input });
      assert.deepEqual((await domain.ask(OPEN, { input })).openIncident, openIncident);
      assert.deepEqual(await domain.refusalOf(OPEN, { input: { ...input, severity: 'LOW' } }), [
        'CONFLICT',
        'input.idempotencyKey',
      ]);
      const RESOLVE =
        'mutation ($input: ResolveIncidentInput!) { resolveIncident(input: $input) { resolvedAt } }';
      const { id } = openIncident;
      const early = { id, resolvedAt: '2025-01-01T00:00:00Z' };
      assert.deepEqual(await domain.refusalOf(RESOLVE, { input: early }), [
        'BAD_USER_INPUT',
        'input.resolvedAt',
      ]);
      const resolved = await domain.ask(RESOLVE, { input: { id } });
      assert.deepEqual(await domain.ask(RESOLVE, { input: { id } }), resolved);
      const other = { id, resolvedAt: '2026-01-01T01:00:00Z' };
      assert.deepEqual(await domain.refusalOf(RESOLVE, { input: other }), ['CONFLICT', 'input.resolvedAt']);
      const { deployments } = await domain.ask(
        '{ deployments { edges { node { incidents { totalCount edges { node { title causedBy { id } service { name } environment { name } } } } } } } }',
      );
      const [{ node }] = deployments.edges[0].node.incidents.edges;
      assert.deepEqual(
        [node.causedBy.id, node.service.name, node.environment.name],
        [deploymentId, 'web', 'production'],
      );
    });

    it('reject a cause that does not exist or belongs to another service', async () => {
      const serviceId = await domain.createService('web');
      const other = await domain.record(await domain.createService('db'));
      const input = {
        serviceId,
        environment: 'production',
        title: 't',
        severity: 'LOW',
        idempotencyKey: 'k',
      };
      assert.deepEqual(await domain.refusalOf(OPEN, { input: { ...input, deploymentId: other } }), [
        'BAD_USER_INPUT',
        'input.deploymentId',
      ]);
      const unknown = toGlobalId('Deployment', UNKNOWN_UUID);
      assert.deepEqual(await domain.refusalOf(OPEN, { input: { ...input, deploymentId: unknown } }), [
        'NOT_FOUND',
        'input.deploymentId',
      ]);
    });

    it('can be filtered by open and resolved, and updated after they are resolved', async () => {
      const serviceId = await domain.createService('web');
      const open = async (title: string) => {
        const input = { serviceId, environment: 'production', title, severity: 'LOW', idempotencyKey: title };
        return (await domain.ask(OPEN, { input })).openIncident.id;
      };
      const [first] = [await open('first'), await open('second')];
      await domain.ask('mutation ($id: ID!) { resolveIncident(input: { id: $id }) { id } }', { id: first });
      const { openIncidents, over } = await domain.ask(
        '{ openIncidents: incidents(filter: { open: true }) { edges { node { title } } } over: incidents(filter: { open: false, severity: [LOW] }) { edges { node { id } } } }',
      );
      assert.equal(openIncidents.edges[0].node.title, 'second');
      assert.deepEqual(
        over.edges.map(({ node }: { node: { id: string } }) => node.id),
        [first],
      );
      const { updateIncident } = await domain.ask(
        'mutation ($id: ID!) { updateIncident(input: { id: $id, severity: CRITICAL, description: "why" }) { title severity description } }',
        { id: first },
      );
      assert.deepEqual({ ...updateIncident }, { title: 'first', severity: 'CRITICAL', description: 'why' });
    });
  });

  describe('search', () => {
    const SEARCH = `query ($query: String!, $first: Int, $after: String, $types: [SearchType!]) {
      search(query: $query, first: $first, after: $after, types: $types) {
        totalCount pageInfo { hasNextPage endCursor }
        edges { node { __typename ... on Service { name } ... on Environment { name } ... on Release { version } ... on Incident { title } } } } }`;
    const names = (edges: { node: Record<string, string> }[]) =>
      edges.map(({ node }) => `${node.__typename} ${node.name ?? node.version ?? node.title}`);

    it('finds services, environments, releases and incidents, ordered by relevance, with pagination', async () => {
      const web = await domain.createService('web');
      await domain.createService('web-admin');
      await domain.createService('my-web');
      await domain.record(web, { environment: 'web-staging', version: 'web-1.0' });
      const input = {
        serviceId: web,
        environment: 'web-staging',
        title: 'The web is down',
        severity: 'LOW',
        idempotencyKey: 'k',
      };
      await domain.ask(OPEN, { input });
      const all = [
        'Service web',
        'Environment web-staging',
        'Release web-1.0',
        'Service web-admin',
        'Incident The web is down',
        'Service my-web',
      ];
      const whole = await domain.ask(SEARCH, { query: 'WEB' });
      assert.deepEqual(names(whole.search.edges), all);
      assert.equal(whole.search.totalCount, 6);
      const found: string[] = [];
      for (let after: string | null = null, more = true; more; ) {
        const { search } = await domain.ask(SEARCH, { query: 'web', first: 2, after });
        found.push(...names(search.edges));
        [after, more] = [search.pageInfo.endCursor, search.pageInfo.hasNextPage];
      }
      assert.deepEqual(found, all);
      const services = await domain.ask(SEARCH, { query: 'web', types: ['SERVICE', 'SERVICE'] });
      assert.equal(services.search.totalCount, 3);
    });

    it('reads only the selected columns of each type', async () => {
      await domain.createService('web');
      const { statements } = await domain.run(
        '{ search(query: "web") { edges { node { __typename ... on Service { name } ... on Incident { title } } } } }',
      );
      const read = statements.find((text) => /FROM services t/.test(text)) ?? '';
      assert.match(read, /t\."name" AS "name"/);
      assert.doesNotMatch(read, /description|owner/);
    });

    it('treats special characters of SQL as literals', async () => {
      await domain.createService('web');
      for (const query of ['%%', '__', '\\\\', "' OR 1=1 --", '& | !', '"a', ':*']) {
        const { search } = await domain.ask(SEARCH, { query });
        assert.equal(search.totalCount, 0, query);
      }
      assert.deepEqual(await domain.refusalOf(SEARCH, { query: ' a ' }), ['BAD_USER_INPUT', 'query']);
      assert.deepEqual(await domain.refusalOf(SEARCH, { query: 'x'.repeat(101) }), [
        'BAD_USER_INPUT',
        'query',
      ]);
    });
  });

  describe('lists', () => {
    it('can be filtered by time, and nested lists by service and environment', async () => {
      const [web, db] = [await domain.createService('web'), await domain.createService('db')];
      const done = await domain.record(web, { version: '1', startedAt: '2026-01-01T00:00:00Z' });
      await domain.finish(done, 'SUCCEEDED', { finishedAt: '2026-01-02T00:00:00Z' });
      await domain.record(db, {
        version: '2',
        committedAt: '2026-01-03T00:00:00Z',
        environment: 'production',
      });
      for (const [serviceId, environment] of [
        [web, 'production'],
        [web, 'qa'],
        [db, 'production'],
      ]) {
        const input = {
          serviceId,
          environment,
          title: 't',
          severity: 'LOW',
          openedAt: '2026-01-05T00:00:00Z',
          idempotencyKey: String(environment),
        };
        const { openIncident } = await domain.ask(OPEN, { input });
        if (environment !== 'qa') continue;
        await domain.ask(
          'mutation ($id: ID!) { resolveIncident(input: { id: $id, resolvedAt: "2026-01-06T00:00:00Z" }) { id } }',
          { id: openIncident.id },
        );
      }
      const data = await domain.ask(
        `query ($web: ID!) {
          ended: deployments(filter: { finishedFrom: "2026-01-02T00:00:00Z", finishedTo: "2026-01-03T00:00:00Z" }) { totalCount }
          later: deployments(filter: { finishedFrom: "2026-01-02T00:00:01Z" }) { totalCount }
          over: incidents(filter: { resolvedFrom: "2026-01-06T00:00:00Z", resolvedTo: "2026-01-07T00:00:00Z" }) { totalCount }
          committed: releases(filter: { committedFrom: "2026-01-03T00:00:00Z", committedTo: "2026-01-04T00:00:00Z" }) { totalCount }
          old: releases(filter: { createdTo: "2026-01-01T00:00:00Z" }) { totalCount }
          environment(name: "production") {
            deployments(serviceId: $web) { totalCount edges { node { version } } }
            incidents(serviceId: $web) { totalCount }
          }
          service(name: "web") { incidents(environment: "qa") { totalCount edges { node { title } } } }
          auditEvents(first: 1, orderBy: { field: OCCURRED_AT, direction: ASC }) { edges { node { action } } }
        }`,
        { web },
      );
      const counts = [
        data.ended,
        data.later,
        data.over,
        data.committed,
        data.old,
        data.environment.deployments,
        data.environment.incidents,
        data.service.incidents,
      ].map(({ totalCount }: { totalCount: number }) => totalCount);
      assert.deepEqual(counts, [1, 0, 1, 1, 0, 1, 1, 1]);
      assert.equal(data.environment.deployments.edges[0].node.version, '1');
      assert.equal(data.auditEvents.edges[0].node.action, 'createService');
      const wrong = '{ environment(name: "production") { incidents(serviceId: "x") { totalCount } } }';
      assert.deepEqual(await domain.refusalOf(wrong, {}), ['BAD_USER_INPUT', 'serviceId']);
    });
  });
});
