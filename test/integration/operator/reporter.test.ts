/** Reporter with the real API server, with authentication and TLS. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { generate } from 'selfsigned';
import { reporting } from '../../../operator/api/v1alpha1/spec/reporting.js';
import type { DeliveryRecord, PcfApiStatus } from '../../../operator/api/v1alpha1/status.js';
import { notifyMetrics } from '../../../operator/notify/notification-metrics.js';
import { Reporter } from '../../../operator/notify/reporter.js';
import type { EventInput } from '../../../operator/runtime/events.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { secretsFrom } from '../../support/fixtures/secrets.js';
import { bearer, JWT_SECRET } from '../../support/fixtures/tokens.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { ApiProcess } from '../api-server/api-process.js';
import { migratedDatabase } from '../api-server/migrated-database.js';

const DEPLOYMENTS = `{ deployments(first: 20) { totalCount edges { node {
  version commit status strategy reason startedAt finishedAt service { name } environment { name } } } } }`;

describe('Reporter', () => {
  let postgres: TestPostgres;
  let url: string;
  let api: ApiProcess;
  let front: TlsFront;
  let reporter: Reporter;
  let events: EventInput[];
  let log: string[];
  const secrets: Record<string, Record<string, string>> = {};
  const now = Date.now();
  const at = (minutes: number) => new Date(now + minutes * 60_000).toISOString();

  before(async () => {
    postgres = await sharedPostgres();
    url = await migratedDatabase();
    api = await ApiProcess.start({
      PCF_API__DATABASE__URL: url,
      PCF_API__AUTH__OPEN: 'false',
      PCF_API__AUTH__JWT_SECRET: JWT_SECRET,
      PCF_API__AUTH__IDENTITY_CACHE: '100ms',
    });
    await api.waitForReady();
    front = await TlsFront.start(api.port);
    secrets.ca = { 'ca.crt': front.ca };
  });
  after(async () => {
    await front?.stop();
    await api?.kill();
  });

  beforeEach(async () => {
    await postgres.query('TRUNCATE services, api_keys CASCADE', url);
    secrets.key = { 'api-key': await newKey(['READ', 'CATALOG', 'DEPLOYMENTS']) };
    events = [];
    log = [];
    start();
  });
  afterEach(() => {
    reporter.stop();
    const key = secrets.key?.['api-key'] ?? 'none';
    assert.ok(
      !`${log.join('')}${JSON.stringify(events)}`.includes(key),
      'log and Events do not contain the key',
    );
  });

  function start(deadlineMs = 5_000): void {
    reporter = new Reporter({
      secrets: secretsFrom(secrets),
      events: { record: (event) => events.push(event) },
      metrics: notifyMetrics(new Registry()),
      logger: pino({ level: 'trace' }, { write: (line: string) => log.push(line) }),
      backoff: { baseMs: 5, maxMs: 20, jitter: 0.5 },
      deadlineMs,
      pauseMs: 1,
    });
  }

  async function newKey(scopes: string[]): Promise<string> {
    const create =
      'mutation ($scopes: [ApiKeyScope!]) { createApiKey(input: { name: "operator", role: OPERATOR, scopes: $scopes }) { key } }';
    const { data, errors } = await api.graphql(create, { scopes }, await bearer({ role: 'ADMIN' }));
    assert.deepEqual(errors, []);
    return data.createApiKey.key;
  }

  // biome-ignore lint/suspicious/noExplicitAny: the query selects the shape
  async function runQuery(query: string): Promise<any> {
    const { data, errors } = await api.graphql(query, {}, await bearer({ role: 'VIEWER' }));
    assert.deepEqual(errors, []);
    return data;
  }

  // biome-ignore lint/suspicious/noExplicitAny: the query selects the shape
  async function recorded(): Promise<any[]> {
    const { deployments } = await runQuery(DEPLOYMENTS);
    return deployments.edges.map(({ node }: { node: unknown }) => node);
  }

  const spec = (given: object = {}) =>
    reporting.parse({
      url: `${front.url}/graphql`,
      apiKeySecretRef: { name: 'key' },
      tls: { caSecretRef: { name: 'ca' } },
      ...given,
    });
  const revision = { image: 'registry.example.com/pcf-api:2.0.0', source: { commit: 'c0ffee1' } };

  async function reportStatus(status: PcfApiStatus, given: Parameters<typeof pcfApi>[0] = {}): Promise<void> {
    reporter.report(pcfApi({ reporting: spec(), ...given }), status, () => revision, now);
    await reporter.flush();
  }

  const inProgress: PcfApiStatus = {
    delivery: { update: 'api-new', startedAt: at(-20), firstTrafficAt: at(-19) },
  };

  function finishedRecord(
    outcome: DeliveryRecord['outcome'],
    given: Partial<DeliveryRecord> = {},
  ): DeliveryRecord {
    const { image, source } = revision;
    return {
      ...{ revision: 'api-new', number: 2, image, ...source, outcome },
      ...{ startedAt: at(-20), firstTrafficAt: at(-19), finishedAt: at(-5), ...given },
    };
  }

  it('records a delivery while it is in progress, and its outcome', async () => {
    await reportStatus(inProgress);
    assert.deepEqual(await recorded(), [
      {
        ...{ version: '2.0.0', commit: 'c0ffee1', status: 'IN_PROGRESS', strategy: 'CANARY', reason: null },
        ...{ startedAt: at(-20), finishedAt: null },
        ...{ service: { name: 'api' }, environment: { name: 'production' } },
      },
    ]);
    await reportStatus({ history: [finishedRecord('Aborted', { reason: 'AnalysisFailed' })] });
    const [{ status, reason, finishedAt }, ...more] = await recorded();
    assert.deepEqual([status, reason, finishedAt, more], ['FAILED', 'AnalysisFailed', at(-5), []]);
  });

  it('records each delivery once, although it is reported repeatedly and by two processes', async () => {
    await reportStatus({ history: [finishedRecord('Promoted')] });
    await reportStatus({ history: [finishedRecord('Promoted')] });
    start(); // another process becomes the leader
    await reportStatus({ history: [finishedRecord('Promoted')] });
    assert.deepEqual(
      (await recorded()).map(({ status }) => status),
      ['SUCCEEDED'],
    );
    assert.deepEqual(events, []);
  });

  it('records the outcome of a delivery whose strategy changed while it was in progress', async () => {
    await reportStatus(inProgress);
    const strategy = { type: 'RollingUpdate' as const };
    await reportStatus({ history: [finishedRecord('Promoted')] }, { strategy });
    assert.deepEqual(
      (await recorded()).map(({ status, strategy }) => [status, strategy]),
      [['SUCCEEDED', 'CANARY']],
    );
  });

  it('provides the data of the deliveryMetrics query', async () => {
    const first = { revision: 'api-1', startedAt: at(-60), finishedAt: at(-50), committedAt: at(-110) };
    await reportStatus({
      history: [finishedRecord('Undone', { revision: 'api-1' }), finishedRecord('Promoted', first)],
    });
    const { deliveryMetrics } =
      await runQuery(`{ deliveryMetrics(from: "${at(-120)}", to: "${at(1)}", bucket: DAY) {
      total { deployments succeeded rolledBack leadTimeP50 } } }`);
    assert.deepEqual(deliveryMetrics.total, {
      ...{ deployments: 2, succeeded: 1, rolledBack: 1, leadTimeP50: 3_600 },
    });
  });

  it('records the incident of an aborted delivery and of an undo, with the time to restore', async () => {
    const promoted = { revision: 'api-2', firstTrafficAt: at(-49), startedAt: at(-50), finishedAt: at(-45) };
    const history = [
      finishedRecord('Undone', { revision: 'api-1', startedAt: at(-31), finishedAt: at(-30) }),
      finishedRecord('Promoted', promoted),
    ];
    await reportStatus({ history: [finishedRecord('Aborted', { revision: 'api-3' }), ...history] });
    start(); // another process becomes the leader
    await reportStatus({ history: [finishedRecord('Aborted', { revision: 'api-3' }), ...history] });
    const { incidents } = await runQuery(
      '{ incidents { edges { node { openedAt resolvedAt causedBy { status startedAt } } } } }',
    );
    assert.deepEqual(
      incidents.edges.map(({ node }: { node: unknown }) => node),
      [
        {
          ...{ openedAt: at(-19), resolvedAt: at(-5) },
          causedBy: { status: 'FAILED', startedAt: at(-20) },
        },
        {
          ...{ openedAt: at(-49), resolvedAt: at(-30) },
          causedBy: { status: 'SUCCEEDED', startedAt: at(-50) },
        },
      ],
    );
    assert.deepEqual(events, []);
  });

  it('loses no record while the API is unavailable: the next report repeats a dropped one', async () => {
    start(60);
    front.isUnavailable = true;
    await reportStatus({ history: [finishedRecord('Promoted')] });
    assert.equal(events[0]?.reason, 'ReportFailed');
    assert.match(
      events[0]!.note,
      /recording the delivery of api-new failed and will be retried: the API at https:/,
    );
    front.isUnavailable = false;
    await eventually('the delivery is recorded', async () => {
      await reportStatus({ history: [finishedRecord('Promoted')] });
      return (await recorded()).length === 1;
    });
  });

  it('retries without an Event when the API is available again before the deadline', async () => {
    front.isUnavailable = true;
    reporter.report(
      pcfApi({ reporting: spec() }),
      { history: [finishedRecord('Promoted')] },
      () => revision,
      now,
    );
    await eventually('three connections are refused', () => front.refused >= 3);
    front.isUnavailable = false;
    await reporter.flush();
    assert.equal((await recorded()).length, 1);
    assert.deepEqual(events, []);
  });

  it('reports the missing permissions of the API key, and continues with a valid key', async () => {
    const good = secrets.key!;
    secrets.key = { 'api-key': await newKey(['READ']) };
    await reportStatus(inProgress);
    assert.match(events[0]!.note, /FORBIDDEN: its API key needs the role OPERATOR and the scopes READ, CAT/);
    secrets.key = { 'api-key': 'pcf_wrong' };
    await eventually('the report is retried', async () => {
      await reportStatus(inProgress);
      return events.length > 1;
    });
    assert.match(events[1]!.note, /UNAUTHENTICATED: the API key is invalid/);
    secrets.key = good;
    await eventually('the delivery is recorded', async () => {
      await reportStatus(inProgress);
      return (await recorded()).length === 1;
    });
  });

  it('records the delivery for the configured service, and creates the service if it is missing', async () => {
    await reportStatus(inProgress, { reporting: spec({ service: 'shop' }) });
    assert.equal((await recorded())[0].service.name, 'shop');
    await reportStatus({ history: [finishedRecord('Promoted')] }, { reporting: spec({ service: 'shop' }) });
    assert.equal((await runQuery('{ services { totalCount } }')).services.totalCount, 1);
  });

  it('reports a URL that is not the GraphQL endpoint of an API', async () => {
    await reportStatus(inProgress, { reporting: spec({ url: `${front.url}/health` }) });
    assert.match(
      events[0]!.note,
      /the API at \S+ returned NOT_FOUND: .*reporting.url must end with \/graphql/,
    );
  });
});

/** Proxy that terminates TLS for the API. Refuses connections while `isUnavailable`. */
class TlsFront {
  isUnavailable = false;
  refused = 0;

  private constructor(
    private readonly server: Server,
    readonly url: string,
    readonly ca: string,
  ) {}

  static async start(port: number): Promise<TlsFront> {
    const pair = await generate([{ name: 'commonName', value: 'test' }], {
      keyType: 'ec',
      extensions: [
        { name: 'basicConstraints', cA: true },
        { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
      ],
    });
    let front: TlsFront | undefined;
    const server = createServer({ key: pair.private, cert: pair.cert }, (client) => {
      client.on('error', () => {});
      if (front!.isUnavailable) {
        front!.refused += 1;
        client.destroy();
        return;
      }
      const upstream: Socket = connect(port, '127.0.0.1').on('error', () => client.destroy());
      client.pipe(upstream).pipe(client);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port: own } = server.address() as { port: number };
    front = new TlsFront(server, `https://127.0.0.1:${own}`, pair.cert);
    return front;
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
  }
}
