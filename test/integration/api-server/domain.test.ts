import assert from 'node:assert/strict';
import { toGlobalId } from '../../../api-server/graphql/relay/global-id.js';
import { DomainUnderTest } from './domain-under-test.js';

const UNKNOWN_UUID = '00000000-0000-4000-8000-000000000000';
const RECORD = 'mutation ($input: RecordDeploymentInput!) { recordDeployment(input: $input) { id weight } }';
const FINISH =
  'mutation ($input: FinishDeploymentInput!) { finishDeployment(input: $input) { id status reason finishedAt } }';
const OPEN =
  'mutation ($input: OpenIncidentInput!) { openIncident(input: $input) { id openedAt resolvedAt } }';

describe('api-server domain', () => {
  let domain: DomainUnderTest;

  before(async () => {
    domain = await DomainUnderTest.start();
  });
  beforeEach(() => domain.clear());
  after(() => domain?.close());

  const code = async (query: string, variables: object) => {
    const { errors } = await domain.run(query, variables);
    return [errors[0]?.code, errors[0]?.field];
  };

  describe('services and environments', () => {
    it('updates given fields, clears null fields and keeps omitted fields', async () => {
      const { createService } = await domain.ask(
        'mutation { createService(input: { name: "web", owner: "platform", description: "old" }) { id updatedAt } }',
      );
      const { updateService } = await domain.ask(
        'mutation ($id: ID!) { updateService(input: { id: $id, description: null, repository: "https://example.com/web" }) { owner description repository } }',
        { id: createService.id },
      );
      assert.deepEqual(
        { ...updateService },
        { owner: 'platform', description: null, repository: 'https://example.com/web' },
      );
    });

    it('excludes archived services from lists by default, rejects their deployments, and can unarchive them', async () => {
      const web = await domain.createService('web');
      await domain.createService('db');
      const archive = (archived: boolean) =>
        domain.ask(
          'mutation ($id: ID!, $archived: Boolean!) { archiveService(input: { id: $id, archived: $archived }) { archivedAt } }',
          { id: web, archived },
        );
      const first = await archive(true);
      assert.equal((await archive(true)).archiveService.archivedAt, first.archiveService.archivedAt);
      const lists = await domain.ask(`{
        now: services { totalCount } archived: services(filter: { archived: true }) { edges { node { name } } }
        both: services(filter: { archived: null }) { totalCount } service(name: "web") { id } }`);
      assert.deepEqual(
        [lists.now.totalCount, lists.archived.edges[0].node.name, lists.both.totalCount, lists.service.id],
        [1, 'web', 2, web],
      );
      const input = { serviceId: web, environment: 'production', version: '1', idempotencyKey: 'k' };
      assert.deepEqual(await code(RECORD, { input }), ['CONFLICT', 'input.serviceId']);
      await archive(false);
      await domain.record(web);
    });

    it('creates an environment with its first deployment; rejects deployments into an archived one', async () => {
      const web = await domain.createService('web');
      await domain.record(web, { environment: 'qa' });
      const { environment } = await domain.ask(
        '{ environment(name: "qa") { id name deployments { totalCount } } }',
      );
      assert.equal(environment.deployments.totalCount, 1);
      await domain.ask('mutation ($id: ID!) { archiveEnvironment(input: { id: $id }) { id } }', {
        id: environment.id,
      });
      const input = { serviceId: web, environment: 'qa', version: '1', idempotencyKey: 'late' };
      assert.deepEqual(await code(RECORD, { input }), ['CONFLICT', 'input.environment']);
      assert.deepEqual(await code('mutation { createEnvironment(input: { name: "qa" }) { id } }', {}), [
        'CONFLICT',
        'input.name',
      ]);
    });

    it('creates the environment of a deployment that the previous version of the API inserted by name', async () => {
      await domain.createService('web');
      await domain.sql(
        `INSERT INTO deployments (id, service_id, environment, version, started_at, idempotency_key)
         SELECT gen_random_uuid(), id, 'staging', '1', now(), 'k' FROM services`,
      );
      const { deployments } = await domain.ask(
        '{ deployments { edges { node { release { id } environment { id name createdAt } } } } }',
      );
      const [{ node }] = deployments.edges;
      assert.deepEqual([node.release, node.environment.name], [null, 'staging']);
      assert.ok(node.environment.id);
    });
  });

  describe('releases', () => {
    const CREATE =
      'mutation ($input: CreateReleaseInput!) { createRelease(input: $input) { id version committedAt } }';

    it('creates a release once, also for concurrent and repeated requests', async () => {
      const serviceId = await domain.createService('web');
      const release = { version: '1.2.0', commit: '4f2c1e9', committedAt: '2026-01-01T00:00:00.000Z' };
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => domain.ask(CREATE, { input: { serviceId, ...release } })),
      );
      assert.equal(new Set(answers.map(({ createRelease }) => createRelease.id)).size, 1);
      await domain.record(serviceId, release);
      await domain.record(serviceId, { ...release, imageDigest: `sha256:${'a'.repeat(64)}` });
      const { releases } = await domain.ask(
        '{ releases { totalCount edges { node { imageDigest deployments { totalCount } service { name } } } } }',
      );
      assert.equal(releases.totalCount, 2, 'another image digest creates another release');
      assert.deepEqual(
        releases.edges.map(
          ({ node }: never) => (node as { deployments: { totalCount: number } }).deployments,
        ),
        [{ totalCount: 1 }, { totalCount: 1 }].map((count) => Object.assign(Object.create(null), count)),
      );
      const other = { serviceId, ...release, committedAt: '2026-01-02T00:00:00.000Z' };
      assert.deepEqual(await code(CREATE, { input: other }), ['CONFLICT', 'input.committedAt']);
    });

    it('rejects an invalid image digest and an unknown service', async () => {
      const serviceId = await domain.createService('web');
      assert.deepEqual(await code(CREATE, { input: { serviceId, version: '1', imageDigest: 'sha256:1' } }), [
        'BAD_USER_INPUT',
        'input.imageDigest',
      ]);
      const unknown = toGlobalId('Service', UNKNOWN_UUID);
      assert.deepEqual(await code(CREATE, { input: { serviceId: unknown, version: '1' } }), [
        'NOT_FOUND',
        'input.serviceId',
      ]);
    });
  });

  describe('deployments', () => {
    it('rejects a reused idempotency key with any difference in the input', async () => {
      const serviceId = await domain.createService('web');
      const input = {
        serviceId,
        environment: 'production',
        version: '1.0.0',
        commit: '4f2c1e9',
        strategy: 'CANARY',
        weight: 10,
        idempotencyKey: 'key',
      };
      const { recordDeployment } = await domain.ask(RECORD, { input });
      await domain.ask('mutation ($id: ID!) { updateDeployment(input: { id: $id, weight: 50 }) { id } }', {
        id: recordDeployment.id,
      });
      const again = await domain.ask(RECORD, { input: { ...input, reason: null } });
      assert.deepEqual({ ...again.recordDeployment }, { id: recordDeployment.id, weight: 50 });
      for (const other of [
        { version: '1.0.1' },
        { commit: '4f2c1e8' },
        { strategy: 'BLUE_GREEN' },
        { weight: 11 },
        { weight: null },
        { environment: 'staging' },
        { reason: 'x' },
        { startedAt: '2026-01-01T00:00:00Z' },
        { committedAt: '2026-01-01T00:00:00Z' },
        { imageDigest: `sha256:${'0'.repeat(64)}` },
      ]) {
        assert.deepEqual(
          await code(RECORD, { input: { ...input, ...other } }),
          ['CONFLICT', 'input.idempotencyKey'],
          JSON.stringify(other),
        );
      }
      const { deployments } = await domain.ask('{ deployments { totalCount } }');
      assert.equal(deployments.totalCount, 1);
    });

    it('creates no release for a rejected deployment, also for concurrent requests', async () => {
      const web = await domain.createService('web');
      const input = { serviceId: web, environment: 'production', version: '1', idempotencyKey: 'key' };
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, n) => domain.run(RECORD, { input: { ...input, version: `1.${n}` } })),
      );
      assert.equal(answers.filter(({ errors }) => errors.length === 0).length, 1);
      const releases = async () => (await domain.ask('{ releases { totalCount } }')).releases.totalCount;
      assert.equal(await releases(), 1);
      assert.deepEqual(await code(RECORD, { input: { ...input, version: '2' } }), [
        'CONFLICT',
        'input.idempotencyKey',
      ]);
      const unknown = { ...input, serviceId: toGlobalId('Service', UNKNOWN_UUID) };
      assert.deepEqual(await code(RECORD, { input: unknown }), ['NOT_FOUND', 'input.serviceId']);
      await domain.ask('mutation ($id: ID!) { archiveService(input: { id: $id }) { id } }', { id: web });
      const late = { ...input, version: '3', idempotencyKey: 'late' };
      assert.deepEqual(await code(RECORD, { input: late }), ['CONFLICT', 'input.serviceId']);
      assert.equal(await releases(), 1);
    });

    it('finishes a deployment once per idempotency key and rejects another outcome with the same key', async () => {
      const serviceId = await domain.createService('web');
      const id = await domain.record(serviceId, { startedAt: '2026-01-01T00:00:00Z' });
      const input = { id, outcome: 'ROLLED_BACK', reason: 'errors', idempotencyKey: 'end' };
      const answers = await Promise.all(Array.from({ length: 5 }, () => domain.ask(FINISH, { input })));
      const ends = answers.map(({ finishDeployment }) => JSON.stringify(finishDeployment));
      assert.equal(new Set(ends).size, 1);
      assert.match(ends[0]!, /"status":"ROLLED_BACK","reason":"errors"/);
      for (const other of [
        { outcome: 'FAILED' },
        { reason: 'more errors' },
        { finishedAt: '2026-02-01T00:00:00Z' },
      ]) {
        const refused = await code(FINISH, { input: { ...input, ...other } });
        assert.deepEqual(refused, ['CONFLICT', 'input.idempotencyKey'], JSON.stringify(other));
      }
      const second = await domain.record(serviceId);
      assert.deepEqual(await code(FINISH, { input: { ...input, id: second } }), [
        'CONFLICT',
        'input.idempotencyKey',
      ]);
    });

    it('accepts one of several concurrent outcomes and rejects the others with CONFLICT', async () => {
      const id = await domain.record(await domain.createService('web'));
      const outcomes = ['SUCCEEDED', 'FAILED', 'ROLLED_BACK'];
      const answers = await Promise.all(
        outcomes.map((outcome) => domain.run(FINISH, { input: { id, outcome } })),
      );
      assert.equal(answers.filter(({ errors }) => errors.length === 0).length, 1);
      const [lost] = answers.flatMap(({ errors }) => errors);
      assert.deepEqual([lost?.code, lost?.field], ['CONFLICT', 'input.outcome']);
      const events = await domain.sql(`SELECT FROM domain_events WHERE kind = 'DEPLOYMENT_FINISHED'`);
      assert.equal(events.length, 1);
    });

    it('updates the weight and the reason of a deployment in progress, not of a finished one', async () => {
      const id = await domain.record(await domain.createService('web'));
      const UPDATE =
        'mutation ($input: UpdateDeploymentInput!) { updateDeployment(input: $input) { weight reason } }';
      const first = await domain.ask(UPDATE, { input: { id, weight: 25, reason: 'step 2' } });
      assert.deepEqual({ ...first.updateDeployment }, { weight: 25, reason: 'step 2' });
      const next = await domain.ask(UPDATE, { input: { id, weight: 50 } });
      assert.deepEqual({ ...next.updateDeployment }, { weight: 50, reason: 'step 2' });
      assert.deepEqual(await code(UPDATE, { input: { id, weight: 101 } }), [
        'BAD_USER_INPUT',
        'input.weight',
      ]);
      await domain.finish(id);
      assert.deepEqual(await code(UPDATE, { input: { id, weight: 75 } }), ['CONFLICT', 'input.id']);
      const unknown = toGlobalId('Deployment', UNKNOWN_UUID);
      assert.deepEqual(await code(UPDATE, { input: { id: unknown, weight: 1 } }), ['NOT_FOUND', 'input.id']);
    });
  });

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
      assert.deepEqual(await code(OPEN, { input: { ...input, severity: 'LOW' } }), [
        'CONFLICT',
        'input.idempotencyKey',
      ]);
      const RESOLVE =
        'mutation ($input: ResolveIncidentInput!) { resolveIncident(input: $input) { resolvedAt } }';
      const { id } = openIncident;
      const early = { id, resolvedAt: '2025-01-01T00:00:00Z' };
      assert.deepEqual(await code(RESOLVE, { input: early }), ['BAD_USER_INPUT', 'input.resolvedAt']);
      const resolved = await domain.ask(RESOLVE, { input: { id } });
      assert.deepEqual(await domain.ask(RESOLVE, { input: { id } }), resolved);
      const other = { id, resolvedAt: '2026-01-01T01:00:00Z' };
      assert.deepEqual(await code(RESOLVE, { input: other }), ['CONFLICT', 'input.resolvedAt']);
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
      assert.deepEqual(await code(OPEN, { input: { ...input, deploymentId: other } }), [
        'BAD_USER_INPUT',
        'input.deploymentId',
      ]);
      const unknown = toGlobalId('Deployment', UNKNOWN_UUID);
      assert.deepEqual(await code(OPEN, { input: { ...input, deploymentId: unknown } }), [
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
      assert.deepEqual(await code(SEARCH, { query: ' a ' }), ['BAD_USER_INPUT', 'query']);
      assert.deepEqual(await code(SEARCH, { query: 'x'.repeat(101) }), ['BAD_USER_INPUT', 'query']);
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
      assert.deepEqual(await code(wrong, {}), ['BAD_USER_INPUT', 'serviceId']);
    });
  });

  describe('audit log', () => {
    /** Returns mutations that each change a record. */
    async function changes(): Promise<[mutation: string, variables: object][]> {
      const { createService: web } = await domain.ask(
        'mutation { createService(input: { name: "web" }) { id } }',
      );
      const deployment = await domain.record(web.id);
      const { openIncident: incident } = await domain.ask(OPEN, {
        input: {
          serviceId: web.id,
          environment: 'production',
          title: 't',
          severity: 'LOW',
          idempotencyKey: 'i',
        },
      });
      const { environments } = await domain.ask('{ environments { edges { node { id } } } }');
      const { createWebhook } = await domain.ask(
        'mutation { createWebhook(input: { url: "https://example.com", events: [INCIDENT_OPENED] }) { webhook { id } } }',
      );
      const { createUser: user } = await domain.ask(
        'mutation { createUser(input: { email: "a@example.com", name: "A", role: VIEWER }) { id } }',
      );
      const { createApiKey } = await domain.ask(
        'mutation { createApiKey(input: { name: "a", role: VIEWER }) { apiKey { id } } }',
      );
      await domain.sql('TRUNCATE audit_events');
      const mutationOf = (name: string, input: object): [string, object] => [
        `mutation ($input: ${name[0]?.toUpperCase()}${name.slice(1)}Input!) { ${name}(input: $input) { __typename } }`,
        { input },
      ];
      const webhook = createWebhook.webhook.id;
      return [
        mutationOf('createService', { name: 'db' }),
        mutationOf('updateService', { id: web.id, owner: 'me' }),
        mutationOf('createEnvironment', { name: 'qa' }),
        mutationOf('updateEnvironment', { id: environments.edges[0].node.id, description: 'd' }),
        mutationOf('archiveEnvironment', { id: environments.edges[0].node.id }),
        mutationOf('createRelease', { serviceId: web.id, version: '7' }),
        mutationOf('updateDeployment', { id: deployment, weight: 5 }),
        mutationOf('finishDeployment', { id: deployment, outcome: 'SUCCEEDED' }),
        mutationOf('recordDeployment', {
          serviceId: web.id,
          environment: 'new',
          version: '8',
          idempotencyKey: 'other',
        }),
        mutationOf('openIncident', {
          serviceId: web.id,
          environment: 'new',
          title: 'u',
          severity: 'LOW',
          idempotencyKey: 'j',
        }),
        mutationOf('updateIncident', { id: incident.id, title: 'v' }),
        mutationOf('resolveIncident', { id: incident.id }),
        mutationOf('archiveService', { id: web.id }),
        mutationOf('createWebhook', { url: 'https://example.com/2', events: ['INCIDENT_OPENED'] }),
        mutationOf('updateWebhook', { id: webhook, description: 'd' }),
        mutationOf('rotateWebhookSecret', { id: webhook }),
        mutationOf('retryWebhookMessages', { webhookId: webhook }),
        mutationOf('deleteWebhook', { id: webhook }),
        mutationOf('createUser', { email: 'b@example.com', name: 'B', role: 'ADMIN' }),
        mutationOf('updateUser', { id: user.id, name: 'AA' }),
        mutationOf('setUserPassword', { id: user.id, password: 'a long password of A' }),
        mutationOf('createApiKey', { name: 'b', role: 'VIEWER' }),
        mutationOf('updateApiKey', { id: createApiKey.apiKey.id, name: 'c' }),
        mutationOf('revokeApiKey', { id: createApiKey.apiKey.id }),
      ];
    }
    const isAuditStatement = (text: string) => /jsonb_to_recordset/.test(text);

    it('writes the audit event in the statement of the change, for every mutation', async () => {
      const all = await changes();
      const tried = new Set(all.map(([mutation]) => /\{ (\w+)\(/.exec(mutation)?.[1]));
      const there = Object.keys(domain.modules.schema.getMutationType()?.getFields() ?? {});
      assert.deepEqual([...tried].sort(), there.sort(), 'a mutation has no test case');
      for (const [mutation, variables] of all) {
        const { errors, statements } = await domain.run(mutation, variables);
        assert.deepEqual(errors, [], mutation);
        assert.ok(
          !statements.some(isAuditStatement),
          `${mutation} writes its audit event in another statement`,
        );
      }
      const { auditEvents } = await domain.ask(
        '{ auditEvents(first: 100) { edges { node { action actor outcome subject input } } } }',
      );
      const entries = auditEvents.edges.map(({ node }: { node: Record<string, unknown> }) => node);
      assert.equal(entries.length, all.length);
      for (const { action, actor, outcome, subject, input } of entries) {
        assert.deepEqual([actor, outcome], ['open', 'SUCCEEDED'], String(action));
        assert.equal(typeof input, 'object');
        const { node } = await domain.ask('query ($id: ID!) { node(id: $id) { __typename } }', {
          id: subject,
        });
        if (action !== 'deleteWebhook' && !/Webhook/.test(String(action))) assert.ok(node, String(action));
      }
    });

    it('rolls back the change if the audit event cannot be written', async () => {
      const all = await changes();
      const tables = [
        'services',
        'environments',
        'releases',
        'deployments',
        'incidents',
        'webhooks',
        'users',
        'api_keys',
      ];
      const content = async () =>
        Promise.all(tables.map((table) => domain.sql(`SELECT * FROM ${table} ORDER BY id`)));
      const before = await content();
      await domain.sql('ALTER TABLE audit_events ADD CONSTRAINT none CHECK (false)');
      try {
        for (const [mutation, variables] of all) {
          const { errors } = await domain.run(mutation, variables);
          assert.equal(errors.length, 1, mutation);
        }
        assert.deepEqual(await content(), before);
      } finally {
        await domain.sql('ALTER TABLE audit_events DROP CONSTRAINT none');
      }
    });

    it('records mutations that changed nothing', async () => {
      const web = await domain.createService('web');
      await domain.sql('TRUNCATE audit_events');
      const input = { serviceId: web, environment: 'production', version: '1', idempotencyKey: 'k' };
      for (const version of ['1', '1', '2']) await domain.run(RECORD, { input: { ...input, version } });
      const release = 'mutation ($input: CreateReleaseInput!) { createRelease(input: $input) { id } }';
      await domain.ask(release, { input: { serviceId: web, version: '1' } });
      const entries = await domain.sql<{ outcome: string; subject: string | null }>(
        'SELECT outcome, subject FROM audit_events ORDER BY occurred_at',
      );
      assert.deepEqual(
        entries.map(({ outcome, subject }) => [outcome, subject !== null]),
        [
          ['SUCCEEDED', true],
          ['SUCCEEDED', true],
          ['FAILED', false],
          ['SUCCEEDED', true],
        ],
      );
    });
  });

  describe('webhooks', () => {
    const CREATE = `mutation ($input: CreateWebhookInput!) {
      createWebhook(input: $input) { secret webhook { id url enabled events } } }`;
    const input = { url: 'https://example.com/hook', events: ['DEPLOYMENT_FINISHED'] };

    it('return the secret only when it is created or rotated', async () => {
      const { createWebhook } = await domain.ask(CREATE, { input });
      assert.match(createWebhook.secret, /^whsec_[\w+/]{43}=$/);
      assert.equal(domain.modules.schema.getType('Webhook')?.toString(), 'Webhook');
      const { errors } = await domain.run('{ webhooks { edges { node { id secret } } } }');
      assert.match(errors[0]!.message, /Cannot query field "secret"/);
      const { rotateWebhookSecret } = await domain.ask(
        'mutation ($id: ID!) { rotateWebhookSecret(input: { id: $id }) { secret webhook { previousSecretExpires } } }',
        { id: createWebhook.webhook.id },
      );
      assert.notEqual(rotateWebhookSecret.secret, createWebhook.secret);
      assert.ok(Date.parse(rotateWebhookSecret.webhook.previousSecretExpires) > Date.now());
    });

    for (const [defect, more, field] of [
      ['plain HTTP', { url: 'http://example.com/hook' }, 'input.url'],
      ['an address in a private network', { url: 'https://10.0.0.1/hook' }, 'input.url'],
      ['a password in the URL', { url: 'https://user:word@example.com' }, 'input.url'],
      ['an invalid URL', { url: 'hello' }, 'input.url'],
      ['an empty list of events', { events: [] }, 'input.events'],
    ] as const) {
      it(`reject ${defect}`, async () => {
        assert.deepEqual(await code(CREATE, { input: { ...input, ...more } }), ['BAD_USER_INPUT', field]);
      });
    }

    it('receive only matching events, which are queued in the transaction of the change', async () => {
      const web = await domain.createService('web');
      const db = await domain.createService('db');
      await domain.ask(CREATE, { input });
      await domain.ask(CREATE, { input: { ...input, url: 'https://example.com/db', serviceId: db } });
      await domain.ask(CREATE, {
        input: { ...input, url: 'https://example.com/staging', environment: 'staging' },
      });
      await domain.finish(await domain.record(web));
      const { webhooks } = await domain.ask(
        '{ webhooks { edges { node { url messages { totalCount edges { node { messageId status attempts } } } } } } }',
      );
      const counts = webhooks.edges.map(
        ({ node }: { node: { messages: { totalCount: number } } }) => node.messages.totalCount,
      );
      assert.deepEqual(counts, [1, 0, 0]);
      assert.equal(webhooks.edges[0].node.messages.edges[0].node.status, 'PENDING');
    });

    it('can be moved to another service and environment', async () => {
      const web = await domain.createService('web');
      const { createWebhook } = await domain.ask(CREATE, { input: { ...input, environment: 'qa' } });
      const UPDATE =
        'mutation ($input: UpdateWebhookInput!) { updateWebhook(input: $input) { environmentName service { name } } }';
      const { id } = createWebhook.webhook;
      const first = await domain.ask(UPDATE, { input: { id, serviceId: web } });
      assert.deepEqual(
        [first.updateWebhook.environmentName, first.updateWebhook.service.name],
        ['qa', 'web'],
      );
      const then = await domain.ask(UPDATE, { input: { id, serviceId: null, environment: null } });
      assert.deepEqual({ ...then.updateWebhook }, { environmentName: null, service: null });
      const unknown = { id, serviceId: toGlobalId('Service', UNKNOWN_UUID) };
      assert.deepEqual(await code(UPDATE, { input: unknown }), ['NOT_FOUND', 'input.serviceId']);
    });

    it('are deleted with their messages', async () => {
      const web = await domain.createService('web');
      const { createWebhook } = await domain.ask(CREATE, { input });
      await domain.finish(await domain.record(web));
      const { id } = createWebhook.webhook;
      await domain.ask('mutation ($id: ID!) { deleteWebhook(input: { id: $id }) { id } }', { id });
      assert.deepEqual(await domain.sql('SELECT id FROM webhook_messages'), []);
      assert.deepEqual(
        await code('mutation ($id: ID!) { deleteWebhook(input: { id: $id }) { id } }', { id }),
        ['NOT_FOUND', 'input.id'],
      );
    });
  });
});
