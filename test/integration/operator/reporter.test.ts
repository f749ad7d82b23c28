/** The record of deliveries, on the real API with its login, over TLS. */
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
import { pcfApi } from '../../support/fixtures.js';
import { eventually } from '../../support/pcf-api.js';
import { sharedPostgres, type TestPostgres } from '../../support/postgres.js';
import { secretsFrom } from '../../support/secrets.js';
import { bearer, JWT_SECRET } from '../../support/tokens.js';
import { ApiProcess } from '../api-server/api-process.js';
import { migratedDatabase } from '../api-server/migrated-database.js';

const DEPLOYMENTS = `{ deployments(first: 20) { totalCount edges { node {
  version commit status strategy reason startedAt finishedAt service { name } environment { name } } } } }`;

describe('the record of deliveries', () => {
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
    assert.ok(!`${log.join('')}${JSON.stringify(events)}`.includes(key), 'no key is told');
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

  // biome-ignore lint/suspicious/noExplicitAny: the shape is what the query asks for
  async function ask(query: string): Promise<any> {
    const { data, errors } = await api.graphql(query, {}, await bearer({ role: 'VIEWER' }));
    assert.deepEqual(errors, []);
    return data;
  }

  // biome-ignore lint/suspicious/noExplicitAny: the shape is what the query asks for
  async function recorded(): Promise<any[]> {
    const { deployments } = await ask(DEPLOYMENTS);
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

  async function tell(status: PcfApiStatus, given: Parameters<typeof pcfApi>[0] = {}): Promise<void> {
    reporter.report(pcfApi({ reporting: spec(), ...given }), status, () => revision, now);
    await reporter.flush();
  }

  const underWay: PcfApiStatus = {
    delivery: { update: 'api-new', startedAt: at(-20), firstTrafficAt: at(-19) },
  };

  function ended(outcome: DeliveryRecord['outcome'], given: Partial<DeliveryRecord> = {}): DeliveryRecord {
    const { image, source } = revision;
    return {
      ...{ revision: 'api-new', number: 2, image, ...source, outcome },
      ...{ startedAt: at(-20), firstTrafficAt: at(-19), finishedAt: at(-5), ...given },
    };
  }

  it('has a delivery while it is under way, and how it ended', async () => {
    await tell(underWay);
    assert.deepEqual(await recorded(), [
      {
        ...{ version: '2.0.0', commit: 'c0ffee1', status: 'IN_PROGRESS', strategy: 'CANARY', reason: null },
        ...{ startedAt: at(-20), finishedAt: null },
        ...{ service: { name: 'api' }, environment: { name: 'production' } },
      },
    ]);
    await tell({ history: [ended('Aborted', { reason: 'AnalysisFailed' })] });
    const [{ status, reason, finishedAt }, ...more] = await recorded();
    assert.deepEqual([status, reason, finishedAt, more], ['FAILED', 'AnalysisFailed', at(-5), []]);
  });

  it('has each delivery once, whoever tells of it and how often', async () => {
    await tell({ history: [ended('Promoted')] });
    await tell({ history: [ended('Promoted')] });
    start(); // another process leads
    await tell({ history: [ended('Promoted')] });
    assert.deepEqual(
      (await recorded()).map(({ status }) => status),
      ['SUCCEEDED'],
    );
    assert.deepEqual(events, []);
  });

  it('has the end of one whose strategy was changed on its way', async () => {
    await tell(underWay);
    const strategy = { type: 'RollingUpdate' as const };
    await tell({ history: [ended('Promoted')] }, { strategy });
    assert.deepEqual(
      (await recorded()).map(({ status, strategy }) => [status, strategy]),
      [['SUCCEEDED', 'CANARY']],
    );
  });

  it('gives the delivery figures', async () => {
    const first = { revision: 'api-1', startedAt: at(-60), finishedAt: at(-50), committedAt: at(-110) };
    await tell({
      history: [ended('Undone', { revision: 'api-1' }), ended('Promoted', first)],
    });
    const { deliveryMetrics } =
      await ask(`{ deliveryMetrics(from: "${at(-120)}", to: "${at(1)}", bucket: DAY) {
      total { deployments succeeded rolledBack leadTimeP50 } } }`);
    assert.deepEqual(deliveryMetrics.total, {
      ...{ deployments: 2, succeeded: 1, rolledBack: 1, leadTimeP50: 3_600 },
    });
  });

  it('loses nothing while the API is away: what was dropped is told at the next look', async () => {
    start(60);
    front.isAway = true;
    await tell({ history: [ended('Promoted')] });
    assert.equal(events[0]?.reason, 'ReportFailed');
    assert.match(
      events[0]!.note,
      /recording the delivery of api-new failed and will be retried: the API at https:/,
    );
    front.isAway = false;
    await eventually('it is told', async () => {
      await tell({ history: [ended('Promoted')] });
      return (await recorded()).length === 1;
    });
  });

  it('comes through in one go when the API is back in time', async () => {
    front.isAway = true;
    reporter.report(pcfApi({ reporting: spec() }), { history: [ended('Promoted')] }, () => revision, now);
    await eventually('some tries', () => front.refused >= 3);
    front.isAway = false;
    await reporter.flush();
    assert.equal((await recorded()).length, 1);
    assert.deepEqual(events, []);
  });

  it('says what the key lacks, and continues once that is fixed', async () => {
    const good = secrets.key!;
    secrets.key = { 'api-key': await newKey(['READ']) };
    await tell(underWay);
    assert.match(events[0]!.note, /FORBIDDEN: its API key needs the role OPERATOR and the scopes READ, CAT/);
    secrets.key = { 'api-key': 'pcf_wrong' };
    await eventually('it is tried again', async () => {
      await tell(underWay);
      return events.length > 1;
    });
    assert.match(events[1]!.note, /UNAUTHENTICATED: the API key is invalid/);
    secrets.key = good;
    await eventually('it is told', async () => {
      await tell(underWay);
      return (await recorded()).length === 1;
    });
  });

  it('is of the service that is named, made if it was not there', async () => {
    await tell(underWay, { reporting: spec({ service: 'shop' }) });
    assert.equal((await recorded())[0].service.name, 'shop');
    await tell({ history: [ended('Promoted')] }, { reporting: spec({ service: 'shop' }) });
    assert.equal((await ask('{ services { totalCount } }')).services.totalCount, 1);
  });

  it('says that what answers is no such API', async () => {
    await tell(underWay, { reporting: spec({ url: `${front.url}/health` }) });
    assert.match(events[0]!.note, /the API at \S+ answered NOT_FOUND: .*reporting.url ends in \/graphql/);
  });
});

/** Ends TLS before the API, or lets nobody through. */
class TlsFront {
  isAway = false;
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
      if (front!.isAway) {
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
