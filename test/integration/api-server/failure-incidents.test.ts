import assert from 'node:assert/strict';
import { DomainUnderTest } from './domain-under-test.js';

const FINISH = 'mutation ($input: FinishDeploymentInput!) { finishDeployment(input: $input) { status } }';
const INCIDENTS = `{ incidents { edges { node {
  title description severity openedAt resolvedAt causedBy { id } service { name } environment { name } } } } }`;
const METRICS = `query ($from: DateTimeISO!, $to: DateTimeISO!) { deliveryMetrics(from: $from, to: $to) {
  total { deployments changeFailureRate timeToRestoreP50 } } }`;

const STARTED = '2026-11-20T10:00:00.000Z';
const FAILED_SINCE = '2026-11-20T10:05:00.000Z';
const FINISHED = '2026-11-20T10:15:00.000Z';

describe('api-server incidents of failed deployments', () => {
  let domain: DomainUnderTest;
  let service: string;

  before(async () => {
    domain = await DomainUnderTest.start();
  });
  beforeEach(async () => {
    await domain.clear();
    service = await domain.createService('shop');
  });
  after(() => domain?.close());

  const record = (more: object = {}) => domain.record(service, { startedAt: STARTED, ...more });
  const finish = (id: string, outcome: string, more: object = {}) =>
    domain.finish(id, outcome, { finishedAt: FINISHED, ...more });
  // biome-ignore lint/suspicious/noExplicitAny: the query selects the shape
  const incidents = async (): Promise<any[]> =>
    (await domain.ask(INCIDENTS)).incidents.edges.map(({ node }: { node: unknown }) => node);
  const metrics = async () => {
    const range = { from: '2026-11-20T00:00:00Z', to: '2026-11-21T00:00:00Z' };
    return { ...(await domain.ask(METRICS, range)).deliveryMetrics.total };
  };
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;

  it('are open from the first traffic of an aborted deployment until its end, and count in the delivery metrics', async () => {
    const id = await record({ version: '2.0.0' });
    await finish(id, 'FAILED', { failedSince: FAILED_SINCE, reason: 'AnalysisFailed' });
    assert.deepEqual(plain(await incidents()), [
      {
        ...{ title: 'Deployment of 2.0.0 failed', description: 'AnalysisFailed', severity: 'MEDIUM' },
        ...{ openedAt: FAILED_SINCE, resolvedAt: FINISHED, causedBy: { id } },
        ...{ service: { name: 'shop' }, environment: { name: 'production' } },
      },
    ]);
    assert.deepEqual(await metrics(), { deployments: 1, changeFailureRate: 1, timeToRestoreP50: 600 });
  });

  it('are linked to the deployment that an undo reverts, which then counts as failed', async () => {
    const id = await record({ version: '2.0.0', idempotencyKey: 'promoted' });
    await finish(id, 'SUCCEEDED');
    assert.deepEqual(await metrics(), { deployments: 1, changeFailureRate: 0, timeToRestoreP50: null });
    await finish(await record({ version: '1.0.0' }), 'SUCCEEDED');
    const undo = await record({ version: '1.0.0', startedAt: FINISHED });
    const end = { finishedAt: '2026-11-20T10:20:00.000Z', failedSince: FAILED_SINCE, undoneKey: 'promoted' };
    await finish(undo, 'ROLLED_BACK', end);
    const [incident, ...more] = await incidents();
    assert.deepEqual(
      [incident.title, incident.causedBy.id, more],
      ['Deployment of 2.0.0 was rolled back', id, []],
    );
    // The undo is not another failed change.
    assert.deepEqual(await metrics(), { deployments: 3, changeFailureRate: 1 / 3, timeToRestoreP50: 900 });
  });

  it('are linked to the undo itself if the deployment that it reverts is not recorded', async () => {
    const undo = await record({ version: '1.0.0' });
    await finish(undo, 'ROLLED_BACK', { failedSince: FAILED_SINCE, undoneKey: 'unknown' });
    const [incident] = await incidents();
    assert.deepEqual([incident.causedBy.id, incident.title], [undo, 'Rollback to 1.0.0']);
    assert.equal((await metrics()).changeFailureRate, 1);
  });

  it('start no earlier than the deployment that failed, and are not linked to a deployment of another environment', async () => {
    const other = await record({ environment: 'staging', idempotencyKey: 'of staging' });
    await finish(other, 'SUCCEEDED');
    await finish(await record({ idempotencyKey: 'own' }), 'SUCCEEDED');
    const undo = await record();
    await finish(undo, 'ROLLED_BACK', { failedSince: '1970-01-01T00:00:00.000Z', undoneKey: 'own' });
    const [incident] = await incidents();
    assert.equal(incident.openedAt, STARTED);
    const wrong = await record();
    await finish(wrong, 'ROLLED_BACK', { failedSince: FAILED_SINCE, undoneKey: 'of staging' });
    assert.deepEqual((await incidents()).map(({ causedBy }) => causedBy.id).includes(other), false);
  });

  it('are not opened by a deployment without traffic, nor by a successful one', async () => {
    await finish(await record(), 'FAILED');
    await finish(await record(), 'SUCCEEDED', { failedSince: FAILED_SINCE });
    assert.deepEqual(await incidents(), []);
  });

  it('are opened once: retries, also without or with the failure, and reports of an earlier version change nothing', async () => {
    const input = {
      ...{ id: await record(), outcome: 'FAILED', finishedAt: FINISHED, idempotencyKey: 'end' },
      failedSince: FAILED_SINCE,
    };
    const { failedSince: _, ...ofEarlierVersion } = input;
    await Promise.all([1, 2, 3].map(() => domain.ask(FINISH, { input })));
    await domain.ask(FINISH, { input: ofEarlierVersion });
    assert.equal((await incidents()).length, 1);
    const other = { ...ofEarlierVersion, id: await record(), idempotencyKey: 'end of another' };
    await domain.ask(FINISH, { input: other });
    await domain.ask(FINISH, { input: { ...other, failedSince: FAILED_SINCE } });
    assert.equal((await incidents()).length, 1, 'a deployment that is already finished');
  });

  it('are not added to a deployment that has an incident', async () => {
    const id = await record();
    const opened = {
      ...{ serviceId: service, environment: 'production', deploymentId: id, idempotencyKey: 'k' },
      ...{ title: 'The shop is down', severity: 'HIGH', openedAt: FAILED_SINCE },
    };
    await domain.ask('mutation ($input: OpenIncidentInput!) { openIncident(input: $input) { id } }', {
      input: opened,
    });
    await finish(id, 'FAILED', { failedSince: FAILED_SINCE });
    assert.deepEqual(
      (await incidents()).map(({ title }) => title),
      ['The shop is down'],
    );
  });

  it('have no negative duration if the failure is reported later than the end', async () => {
    await finish(await record(), 'FAILED', { failedSince: '2026-11-20T11:00:00.000Z' });
    const [{ openedAt, resolvedAt }] = await incidents();
    assert.deepEqual(plain([openedAt, resolvedAt]), [FINISHED, FINISHED]);
  });

  it('are announced after the end of their deployment: opened, then resolved', async () => {
    await finish(await record(), 'FAILED', { failedSince: FAILED_SINCE });
    const events = await domain.sql<{ kind: string; subject: string }>(
      'SELECT kind, payload ->> $1 AS subject FROM domain_events ORDER BY id',
      ['deployment_id'],
    );
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['DEPLOYMENT_RECORDED', 'DEPLOYMENT_FINISHED', 'INCIDENT_OPENED', 'INCIDENT_RESOLVED'],
    );
  });
});
