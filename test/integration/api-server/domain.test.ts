import assert from 'node:assert/strict';
import { toGlobalId } from '../../../api-server/graphql/relay/global-id.js';
import { DomainUnderTest, FINISH, RECORD } from './domain-under-test.js';

const UNKNOWN_UUID = '00000000-0000-4000-8000-000000000000';

describe('api-server domain', () => {
  let domain: DomainUnderTest;

  before(async () => {
    domain = await DomainUnderTest.start();
  });
  beforeEach(() => domain.clear());
  after(() => domain?.close());

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
      assert.deepEqual(await domain.refusalOf(RECORD, { input }), ['CONFLICT', 'input.serviceId']);
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
      assert.deepEqual(await domain.refusalOf(RECORD, { input }), ['CONFLICT', 'input.environment']);
      assert.deepEqual(
        await domain.refusalOf('mutation { createEnvironment(input: { name: "qa" }) { id } }', {}),
        ['CONFLICT', 'input.name'],
      );
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
      assert.deepEqual(await domain.refusalOf(CREATE, { input: other }), ['CONFLICT', 'input.committedAt']);
    });

    it('rejects an invalid image digest and an unknown service', async () => {
      const serviceId = await domain.createService('web');
      assert.deepEqual(
        await domain.refusalOf(CREATE, { input: { serviceId, version: '1', imageDigest: 'sha256:1' } }),
        ['BAD_USER_INPUT', 'input.imageDigest'],
      );
      const unknown = toGlobalId('Service', UNKNOWN_UUID);
      assert.deepEqual(await domain.refusalOf(CREATE, { input: { serviceId: unknown, version: '1' } }), [
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
          await domain.refusalOf(RECORD, { input: { ...input, ...other } }),
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
      assert.deepEqual(await domain.refusalOf(RECORD, { input: { ...input, version: '2' } }), [
        'CONFLICT',
        'input.idempotencyKey',
      ]);
      const unknown = { ...input, serviceId: toGlobalId('Service', UNKNOWN_UUID) };
      assert.deepEqual(await domain.refusalOf(RECORD, { input: unknown }), ['NOT_FOUND', 'input.serviceId']);
      await domain.ask('mutation ($id: ID!) { archiveService(input: { id: $id }) { id } }', { id: web });
      const late = { ...input, version: '3', idempotencyKey: 'late' };
      assert.deepEqual(await domain.refusalOf(RECORD, { input: late }), ['CONFLICT', 'input.serviceId']);
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
        const refused = await domain.refusalOf(FINISH, { input: { ...input, ...other } });
        assert.deepEqual(refused, ['CONFLICT', 'input.idempotencyKey'], JSON.stringify(other));
      }
      const second = await domain.record(serviceId);
      assert.deepEqual(await domain.refusalOf(FINISH, { input: { ...input, id: second } }), [
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
      assert.deepEqual(await domain.refusalOf(UPDATE, { input: { id, weight: 101 } }), [
        'BAD_USER_INPUT',
        'input.weight',
      ]);
      await domain.finish(id);
      assert.deepEqual(await domain.refusalOf(UPDATE, { input: { id, weight: 75 } }), [
        'CONFLICT',
        'input.id',
      ]);
      const unknown = toGlobalId('Deployment', UNKNOWN_UUID);
      assert.deepEqual(await domain.refusalOf(UPDATE, { input: { id: unknown, weight: 1 } }), [
        'NOT_FOUND',
        'input.id',
      ]);
    });
  });
});
