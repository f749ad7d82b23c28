/** Webhooks of Alertmanager with the real API server, with authentication. */
import assert from 'node:assert/strict';
import { eventually } from '../../support/cluster/pcf-api.js';
import { bearer, JWT_SECRET } from '../../support/fixtures/tokens.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { ApiProcess } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

const INCIDENTS = `{ incidents { edges { node {
  title description severity openedAt resolvedAt service { name } environment { name } } } } }`;
const URL_PATH = '/webhooks/alertmanager';
const FIRING = {
  status: 'firing',
  labels: { alertname: 'ShopDown', service: 'shop', severity: 'critical' },
  annotations: { summary: 'The shop is down' },
  startsAt: '2026-11-20T10:00:00.123456789Z',
  endsAt: '0001-01-01T00:00:00Z',
  fingerprint: 'c5c2a2e5f2ee5fb2',
};
const RESOLVED = { ...FIRING, status: 'resolved', endsAt: '2026-11-20T10:10:00.123Z' };
const OPENED_AT = '2026-11-20T10:00:00.123Z';
const RESOLVED_AT = '2026-11-20T10:10:00.123Z';

describe('api-server receiver of Alertmanager', () => {
  let postgres: TestPostgres;
  let url: string;
  let api: ApiProcess;

  before(async () => {
    postgres = await sharedPostgres();
    url = await migratedDatabase();
    api = await ApiProcess.start({
      PCF_API__DATABASE__URL: url,
      PCF_API__AUTH__OPEN: 'false',
      PCF_API__AUTH__JWT_SECRET: JWT_SECRET,
      PCF_API__SERVER__BODY_LIMIT: '65536',
    });
    await api.waitForReady();
  });
  after(() => api?.kill());

  beforeEach(async () => {
    await postgres.query('TRUNCATE services, incidents, domain_events, audit_events, api_keys CASCADE', url);
    await ask('mutation { createService(input: { name: "shop" }) { id } }');
  });

  // biome-ignore lint/suspicious/noExplicitAny: the query selects the shape
  async function ask(query: string, variables: object = {}): Promise<any> {
    const { data, errors } = await api.graphql(query, variables, await bearer({ role: 'ADMIN' }));
    assert.deepEqual(errors, []);
    return data;
  }

  async function newKey(scopes: string[]): Promise<Record<string, string>> {
    const create =
      'mutation ($scopes: [ApiKeyScope!]) { createApiKey(input: { name: "alertmanager", role: OPERATOR, scopes: $scopes }) { key } }';
    const { createApiKey } = await ask(create, { scopes });
    return { authorization: `Bearer ${createApiKey.key}` };
  }

  async function post(
    body: unknown,
    headers: Record<string, string>,
    query = '?environment=production',
    // biome-ignore lint/suspicious/noExplicitAny: the tests read errors and results
  ): Promise<{ status: number; body: any }> {
    const response = await api.fetch(`${URL_PATH}${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  }

  async function send(...alerts: object[]): Promise<unknown> {
    const { status, body } = await post({ version: '4', alerts }, await bearer({ role: 'OPERATOR' }));
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  }

  // biome-ignore lint/suspicious/noExplicitAny: the query selects the shape
  async function incidents(): Promise<any[]> {
    return (await ask(INCIDENTS)).incidents.edges.map(({ node }: { node: unknown }) => node);
  }

  const result = (more: object) => ({ opened: 0, resolved: 0, unchanged: 0, ignored: [], ...more });

  it('opens an incident for a firing alert and resolves it with the alert, once each', async () => {
    assert.deepEqual(await send(FIRING), result({ opened: 1 }));
    assert.deepEqual(await send(FIRING), result({ unchanged: 1 }));
    const incident = {
      ...{ title: 'The shop is down', description: null, severity: 'CRITICAL', openedAt: OPENED_AT },
      ...{ resolvedAt: null, service: { name: 'shop' }, environment: { name: 'production' } },
    };
    assert.deepEqual(await incidents(), [incident]);
    assert.deepEqual(await send(RESOLVED), result({ resolved: 1 }));
    assert.deepEqual(await send(RESOLVED, FIRING), result({ unchanged: 2 }));
    assert.deepEqual(await incidents(), [{ ...incident, resolvedAt: RESOLVED_AT }]);
    const events = await postgres.query<{ kind: string }>('SELECT kind FROM domain_events ORDER BY id', url);
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['INCIDENT_OPENED', 'INCIDENT_RESOLVED'],
    );
    const range = 'from: "2026-11-20T00:00:00Z", to: "2026-11-21T00:00:00Z"';
    const { deliveryMetrics } = await ask(`{ deliveryMetrics(${range}) { total { timeToRestoreP50 } } }`);
    assert.equal(deliveryMetrics.total.timeToRestoreP50, 600);
  });

  it('records a resolved alert whose firing notification arrives later, or never', async () => {
    assert.deepEqual(await send(RESOLVED), result({ resolved: 1 }));
    assert.deepEqual(await send(FIRING), result({ unchanged: 1 }));
    const [{ openedAt, resolvedAt }, ...more] = await incidents();
    assert.deepEqual([openedAt, resolvedAt, more], [OPENED_AT, RESOLVED_AT, []]);
  });

  it('opens another incident when the alert fires again, and resolves all of them with it', async () => {
    await send(FIRING);
    const again = { ...FIRING, startsAt: '2026-11-20T10:05:00Z' };
    assert.deepEqual(await send(again), result({ opened: 1 }));
    assert.deepEqual(await send({ ...RESOLVED, startsAt: again.startsAt }), result({ resolved: 1 }));
    assert.deepEqual(
      (await incidents()).map(({ resolvedAt }) => resolvedAt),
      [RESOLVED_AT, RESOLVED_AT],
    );
  });

  it('leaves no incident open when peers of Alertmanager send a notification at the same time', async () => {
    await Promise.all([FIRING, RESOLVED, FIRING, RESOLVED].map((alert) => send(alert)));
    assert.deepEqual(
      (await incidents()).map(({ resolvedAt }) => resolvedAt),
      [RESOLVED_AT],
    );
  });

  it('reports alerts of unknown services in the response and the log, and records the others', async () => {
    const unknown = { ...FIRING, fingerprint: 'f1', labels: { service: 'unknown' } };
    const unlabeled = { ...FIRING, fingerprint: 'f2', labels: {} };
    const ignored = [
      { fingerprint: 'f1', reason: 'the service unknown does not exist' },
      { fingerprint: 'f2', reason: 'the label service, the name of the service, is missing' },
    ];
    assert.deepEqual(await send(unknown, FIRING, unlabeled), result({ opened: 1, ignored }));
    const ignoredLine = () => api.logs.find(({ msg }) => msg === 'alerts ignored');
    await eventually('the alerts are logged', () => ignoredLine() !== undefined);
    const logged = ignoredLine();
    assert.deepEqual([logged?.count, logged?.ignored], [2, ignored]);
  });

  it('requires an API key with the role OPERATOR and the scope INCIDENTS', async () => {
    const body = { version: '4', alerts: [FIRING] };
    assert.equal((await post(body, {})).status, 401);
    assert.equal((await post(body, { authorization: 'Bearer pcf_wrong' })).status, 401);
    assert.equal((await post(body, await bearer({ role: 'VIEWER' }))).status, 403);
    const denied = await post(body, await newKey(['READ', 'DEPLOYMENTS']));
    assert.equal(denied.status, 403);
    assert.match(denied.body.errors[0].message, /requires an API key with the scope INCIDENTS/);
    assert.deepEqual(await incidents(), []);
    assert.equal((await post(body, await newKey(['INCIDENTS']))).status, 200);
    const { auditEvents } = await ask(
      '{ auditEvents(filter: { action: ["receiveAlert"] }) { edges { node { outcome actorName subject } } } }',
    );
    assert.deepEqual(
      auditEvents.edges.map(({ node }: { node: { outcome: string } }) => node.outcome).sort(),
      ['DENIED', 'DENIED', 'SUCCEEDED'],
    );
  });

  it('rejects invalid bodies and URLs with the cause, and changes nothing', async () => {
    const headers = await bearer({ role: 'OPERATOR' });
    const valid = { version: '4', alerts: [FIRING] };
    const invalid = await post({ version: '4', alerts: [FIRING, { ...FIRING, startsAt: 'now' }] }, headers);
    assert.equal(invalid.status, 400);
    assert.match(invalid.body.errors[0].message, /^body\.alerts\.1\.startsAt: /);
    assert.match(
      (await post({ ...valid, version: '3' }, headers)).body.errors[0].message,
      /^body\.version: .*"4"/,
    );
    const parameter = await post(valid, headers, '?env=production');
    assert.equal(parameter.status, 400);
    assert.match(parameter.body.errors[0].message, /^query: .*"env"/);
    assert.equal((await post('{', headers)).status, 400);
    assert.equal((await post(valid, { ...headers, 'content-type': 'text/plain' })).status, 415);
    const long = { ...valid, externalURL: 'x'.repeat(65_536) };
    assert.equal((await post(long, headers)).status, 413);
    assert.deepEqual(await incidents(), []);
  });
});
