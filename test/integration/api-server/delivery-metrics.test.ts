import assert from 'node:assert/strict';
import fc from 'fast-check';
import { pino } from 'pino';
import { toGlobalId } from '../../../api-server/graphql/relay/global-id.js';
import { deliveryRollUpJob } from '../../../api-server/modules/delivery-metrics/delivery-roll-up.js';
import { propertyRuns } from '../../support/runner/property-runs.js';
import { DomainUnderTest } from './domain-under-test.js';
import {
  compareAll,
  DAY,
  type Deployment,
  dayOf,
  expected,
  type MetricsQuery,
  type Outage,
  type Status,
} from './expected-delivery-metrics.js';

const QUERY = `query ($service: ID, $environment: String, $from: DateTimeISO!, $to: DateTimeISO!, $bucket: MetricsBucket!) {
  deliveryMetrics(service: $service, environment: $environment, from: $from, to: $to, bucket: $bucket) {
    total { ...F } buckets { from to ...G } } }
  fragment F on DeliveryFigures { deployments succeeded failed rolledBack deploymentFrequency leadTimeP50 leadTimeP90
    changeFailureRate timeToRestoreP50 timeToRestoreP90 rollbackFrequency }
  fragment G on DeliveryBucket { deployments succeeded failed rolledBack deploymentFrequency leadTimeP50 leadTimeP90
    changeFailureRate timeToRestoreP50 timeToRestoreP90 rollbackFrequency }`;

const START = Date.UTC(2025, 11, 20);
const time = fc.integer({ min: START, max: START + 80 * DAY });
const SERVICES = [0, 1].map((n) => `00000000-0000-4000-8000-00000000000${n}`);
const environment = fc.constantFrom('production', 'staging');

const deployments = fc.array(
  fc
    .record({
      id: fc.uuid({ version: 4 }),
      service: fc.constantFrom(0, 1),
      environment,
      status: fc.constantFrom<Status>(
        'IN_PROGRESS',
        'SUCCEEDED',
        'SUCCEEDED',
        'SUCCEEDED',
        'FAILED',
        'ROLLED_BACK',
      ),
      committedAt: fc.option(time),
      finishedAt: time,
    })
    .map((one) => ({ ...one, finishedAt: one.status === 'IN_PROGRESS' ? null : one.finishedAt })),
  { maxLength: 40 },
);
const outages = fc.array(
  fc.record({
    service: fc.constantFrom(0, 1),
    environment,
    cause: fc.option(fc.nat()),
    openedAt: time,
    lasted: fc.option(fc.integer({ min: 0, max: 10 * DAY })),
  }),
  { maxLength: 15 },
);
const metricsQuery = fc
  .record({
    service: fc.constantFrom(null, 0, 1),
    environment: fc.option(environment),
    from: time,
    length: fc.integer({ min: 1, max: 80 * DAY }),
    bucket: fc.constantFrom('DAY' as const, 'WEEK' as const, 'MONTH' as const),
  })
  .map(({ length, ...rest }) => ({ ...rest, to: rest.from + length }));

describe('api-server delivery metrics', () => {
  let domain: DomainUnderTest;

  before(async () => {
    domain = await DomainUnderTest.start();
    // Days and weeks must be in UTC for every time zone of the server.
    const name = new URL(domain.url).pathname.slice(1);
    await domain.sql(`ALTER DATABASE ${name} SET timezone = 'Pacific/Auckland'`);
    await domain.close();
    domain = await DomainUnderTest.start(domain.url);
  });
  after(() => domain?.close());

  it('match an independent computation for any history', async () => {
    await fc.assert(
      fc.asyncProperty(deployments, outages, metricsQuery, async (ended, bad, query) => {
        const incidents = causedBy(ended, bad);
        await domain.clear();
        await insert(ended, incidents);
        compareAll(await queryMetrics(query), expected(ended, incidents, query));
      }),
      { numRuns: propertyRuns(60), seed: 7 },
    );
  }).timeout(60_000);

  it('stay the same for whole days after any number of runs has rolled up and deleted deployments', async () => {
    const cuts = fc.array(time, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(deployments, outages, metricsQuery, cuts, async (ended, bad, anyTime, cutTimes) => {
        const incidents = causedBy(ended, bad);
        const query = { ...anyTime, from: dayOf(anyTime.from), to: dayOf(anyTime.to) + DAY };
        await domain.clear();
        await insert(ended, incidents);
        const expectedMetrics = expected(ended, incidents, query);
        compareAll(await queryMetrics(query), expectedMetrics);
        for (const cut of cutTimes) {
          await rollUp(cut);
          compareAll(await queryMetrics(query), expectedMetrics);
        }
        const last = dayOf(Math.max(...cutTimes));
        assert.equal(
          await countDeployments(),
          ended.filter(({ finishedAt }) => (finishedAt ?? last) >= last).length,
        );
      }),
      { numRuns: propertyRuns(30), seed: 11 },
    );
  }).timeout(60_000);

  it('adds a late deployment to a day that is rolled up, and counts the day in the bucket that contains its start', async () => {
    await domain.clear();
    const at = START + 3 * DAY + DAY / 2;
    const ended = (id: string, status: Status): Deployment => ({
      id,
      service: 0,
      environment: 'production',
      status,
      committedAt: at - 60_000,
      finishedAt: at,
    });
    await insert([ended(crypto.randomUUID(), 'SUCCEEDED')], []);
    await rollUp(START + 10 * DAY);
    await insert([ended(crypto.randomUUID(), 'FAILED')], []);
    await rollUp(START + 10 * DAY);
    await rollUp(0); // rolls up nothing
    assert.equal(await countDeployments(), 0);
    const times = { service: null, environment: null, bucket: 'DAY' as const };
    const [before, after] = [
      await queryMetrics({ ...times, from: at - 2 * DAY, to: at - 1 }),
      await queryMetrics({ ...times, from: at - 1, to: at + DAY }),
    ];
    assert.deepEqual([before.total.deployments, after.total.deployments], [2, 0]);
    const { succeeded, failed, leadTimeP50, changeFailureRate } = before.total;
    assert.deepEqual([succeeded, failed, leadTimeP50, changeFailureRate], [1, 1, 60, 0.5]);
  });

  it('loses no deployments in a failed roll-up and completes in the next run', async () => {
    await domain.clear();
    const many = Array.from({ length: 2_500 }, (_, n) => ({
      id: crypto.randomUUID(),
      service: n % 2,
      environment: 'production',
      status: 'SUCCEEDED' as const,
      committedAt: START,
      finishedAt: START + (n % 20) * DAY,
    }));
    await insert(many, []);
    await domain.sql('ALTER TABLE delivery_days ADD CONSTRAINT days_full CHECK (deployments < 100)');
    await assert.rejects(rollUp(START + 30 * DAY), /days_full/);
    const [days] = await domain.sql<{ deployments: string }>(
      'SELECT coalesce(sum(deployments), 0) AS deployments FROM delivery_days',
    );
    assert.equal((await countDeployments()) + Number(days?.deployments), many.length);
    await domain.sql('ALTER TABLE delivery_days DROP CONSTRAINT days_full');
    await Promise.all([rollUp(START + 30 * DAY), rollUp(START + 30 * DAY)]);
    assert.equal(await countDeployments(), 0);
    const { total } = await queryMetrics({
      service: null,
      environment: null,
      bucket: 'MONTH',
      from: START,
      to: START + 30 * DAY,
    });
    assert.deepEqual([total.deployments, total.leadTimeP50], [2_500, 9.5 * 86_400]);
  });

  it('rejects an empty time range and more than 1,000 buckets', async () => {
    const run = (from: string, to: string, bucket: string) => domain.run(QUERY, { from, to, bucket });
    const backward = await run('2026-01-02T00:00:00Z', '2026-01-02T00:00:00Z', 'DAY');
    assert.deepEqual([backward.errors[0]?.code, backward.errors[0]?.field], ['BAD_USER_INPUT', 'to']);
    const long = await run('2000-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 'DAY');
    assert.match(long.errors[0]!.message, /more than 1000 buckets; use a larger bucket/);
    const months = await run('2000-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 'MONTH');
    assert.equal(months.data.deliveryMetrics.buckets.length, 26 * 12);
  });

  it('reads incidents only if the query selects their metrics', async () => {
    const { statements } = await domain.run(
      '{ deliveryMetrics(from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z") { total { deployments } } }',
    );
    assert.equal(statements.length, 1);
  });

  async function queryMetrics(query: MetricsQuery) {
    const { deliveryMetrics } = await domain.ask(QUERY, {
      ...query,
      service: query.service === null ? null : toGlobalId('Service', SERVICES[query.service]!),
      from: new Date(query.from).toISOString(),
      to: new Date(query.to).toISOString(),
    });
    return deliveryMetrics;
  }

  /** Rolls up deployments that finished on a day before `cut`. */
  async function rollUp(cut: number): Promise<void> {
    const { handle } = deliveryRollUpJob(domain.database.dataSource, Date.now() - cut, 1_000);
    const { signal } = new AbortController();
    await handle({}, { signal, attempt: 1, isLast: false, log: pino({ level: 'silent' }) });
  }

  async function countDeployments(): Promise<number> {
    const [row] = await domain.sql<{ count: number }>('SELECT count(*)::int AS count FROM deployments');
    return row?.count ?? 0;
  }

  async function insert(ended: Deployment[], incidents: Outage[]): Promise<void> {
    await domain.sql(
      `INSERT INTO services (id, name) SELECT id, 's' || id FROM unnest($1::uuid[]) AS id ON CONFLICT DO NOTHING`,
      [SERVICES],
    );
    const at = (ms: number | null) => (ms === null ? null : new Date(ms));
    await domain.sql(
      `INSERT INTO deployments (id, service_id, environment, version, status, started_at, committed_at, finished_at, idempotency_key)
       SELECT id, service, environment, '1', status, coalesce(finished, now()), committed, finished, id::text
       FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[])
         AS d (id, service, environment, status, committed, finished)`,
      [
        ended.map(({ id }) => id),
        ended.map(({ service }) => SERVICES[service]),
        ended.map((one) => one.environment),
        ended.map(({ status }) => status),
        ended.map(({ committedAt }) => at(committedAt)),
        ended.map(({ finishedAt }) => at(finishedAt)),
      ],
    );
    await domain.sql(
      `INSERT INTO incidents (service_id, environment, deployment_id, title, severity, opened_at, resolved_at)
       SELECT service, environment, deployment, 't', 'LOW', opened, resolved
       FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[], $5::timestamptz[])
         AS i (service, environment, deployment, opened, resolved)`,
      [
        incidents.map(({ service }) => SERVICES[service]),
        incidents.map((one) => one.environment),
        incidents.map(({ deployment }) => deployment),
        incidents.map(({ openedAt }) => at(openedAt)),
        incidents.map(({ resolvedAt }) => at(resolvedAt)),
      ],
    );
  }
});

function causedBy(
  ended: Deployment[],
  bad: {
    cause: number | null;
    lasted: number | null;
    service: number;
    environment: string;
    openedAt: number;
  }[],
): Outage[] {
  return bad.map(({ cause, lasted, ...outage }) => ({
    ...outage,
    deployment: cause === null ? null : (ended[cause % Math.max(1, ended.length)]?.id ?? null),
    resolvedAt: lasted === null ? null : outage.openedAt + lasted,
  }));
}
