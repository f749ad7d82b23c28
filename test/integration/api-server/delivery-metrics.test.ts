import assert from 'node:assert/strict';
import fc from 'fast-check';
import { toGlobalId } from '../../../api-server/platform/graphql/relay/global-id.js';
import { DomainUnderTest } from './domain-under-test.js';

const DAY = 86_400_000;
const QUERY = `query ($service: ID, $environment: String, $from: DateTimeISO!, $to: DateTimeISO!, $bucket: MetricsBucket!) {
  deliveryMetrics(service: $service, environment: $environment, from: $from, to: $to, bucket: $bucket) {
    total { ...F } buckets { from to ...G } } }
  fragment F on DeliveryFigures { deployments succeeded failed rolledBack deploymentFrequency leadTimeP50 leadTimeP90
    changeFailureRate timeToRestoreP50 timeToRestoreP90 rollbackFrequency }
  fragment G on DeliveryBucket { deployments succeeded failed rolledBack deploymentFrequency leadTimeP50 leadTimeP90
    changeFailureRate timeToRestoreP50 timeToRestoreP90 rollbackFrequency }`;

type Status = 'IN_PROGRESS' | 'SUCCEEDED' | 'FAILED' | 'ROLLED_BACK';

interface Ended {
  id: string;
  service: number;
  environment: string;
  status: Status;
  committedAt: number | null;
  finishedAt: number | null;
}

interface Outage {
  service: number;
  environment: string;
  deployment: string | null;
  openedAt: number;
  resolvedAt: number | null;
}

interface Asked {
  service: number | null;
  environment: string | null;
  from: number;
  to: number;
  bucket: 'DAY' | 'WEEK' | 'MONTH';
}

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
const asked = fc
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
    // Days and weeks must be those of UTC, whatever the server thinks.
    const name = new URL(domain.url).pathname.slice(1);
    await domain.sql(`ALTER DATABASE ${name} SET timezone = 'Pacific/Auckland'`);
    await domain.close();
    domain = await DomainUnderTest.start(domain.url);
  });
  after(() => domain?.close());

  it('are what an independent computation of them says, for any history', async () => {
    await fc.assert(
      fc.asyncProperty(deployments, outages, asked, async (ended, bad, query) => {
        const incidents = bad.map(({ cause, lasted, ...outage }) => ({
          ...outage,
          deployment: cause === null ? null : (ended[cause % Math.max(1, ended.length)]?.id ?? null),
          resolvedAt: lasted === null ? null : outage.openedAt + lasted,
        }));
        await domain.clear();
        await insert(ended, incidents);
        const { deliveryMetrics } = await domain.ask(QUERY, {
          ...query,
          service: query.service === null ? null : toGlobalId('Service', SERVICES[query.service]!),
          from: new Date(query.from).toISOString(),
          to: new Date(query.to).toISOString(),
        });
        const { total, buckets } = expected(ended, incidents, query);
        compare(deliveryMetrics.total, total, 'total');
        assert.equal(deliveryMetrics.buckets.length, buckets.length);
        buckets.forEach((bucket, index) => {
          const { from, to, ...figures } = deliveryMetrics.buckets[index];
          assert.deepEqual([from, to].map(Date.parse), [bucket.from, bucket.to]);
          compare(figures, bucket.figures, `bucket ${from}`);
        });
      }),
      { numRuns: 60, seed: 7 },
    );
  }).timeout(60_000);

  it('refuses a time that ends before it begins, and more buckets than anybody looks at', async () => {
    const ask = (from: string, to: string, bucket: string) => domain.run(QUERY, { from, to, bucket });
    const backward = await ask('2026-01-02T00:00:00Z', '2026-01-02T00:00:00Z', 'DAY');
    assert.deepEqual([backward.errors[0]?.code, backward.errors[0]?.field], ['BAD_USER_INPUT', 'to']);
    const long = await ask('2000-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 'DAY');
    assert.match(long.errors[0]!.message, /more than 1000 buckets; take larger ones/);
    const months = await ask('2000-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 'MONTH');
    assert.equal(months.data.deliveryMetrics.buckets.length, 26 * 12);
  });

  it('asks for incidents only when somebody wants to know of them', async () => {
    const { statements } = await domain.run(
      '{ deliveryMetrics(from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z") { total { deployments } } }',
    );
    assert.equal(statements.length, 1);
  });

  async function insert(ended: Ended[], incidents: Outage[]): Promise<void> {
    await domain.sql(`INSERT INTO services (id, name) SELECT id, 's' || id FROM unnest($1::uuid[]) AS id`, [
      SERVICES,
    ]);
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

type Figures = Record<string, number | null>;

function expected(ended: Ended[], incidents: Outage[], query: Asked) {
  const fits = (one: { service: number; environment: string }) =>
    (query.service === null || one.service === query.service) &&
    (query.environment === null || one.environment === query.environment);
  const figures = (from: number, to: number): Figures => {
    const within = (at: number | null): at is number => at !== null && at >= from && at < to;
    const mine = ended.filter((one) => fits(one) && within(one.finishedAt));
    const of = (status: Status) => mine.filter((one) => one.status === status);
    const caused = new Set(incidents.map(({ deployment }) => deployment));
    const bad = mine.filter((one) => one.status !== 'SUCCEEDED' || caused.has(one.id)).length;
    const leads = of('SUCCEEDED').flatMap(({ committedAt, finishedAt }) =>
      committedAt === null ? [] : [Math.max(0, (finishedAt ?? 0) - committedAt) / 1_000],
    );
    const restores = incidents
      .filter((one) => fits(one) && within(one.resolvedAt))
      .map(({ openedAt, resolvedAt }) => ((resolvedAt ?? 0) - openedAt) / 1_000);
    const days = (to - from) / DAY;
    return {
      deployments: mine.length,
      succeeded: of('SUCCEEDED').length,
      failed: of('FAILED').length,
      rolledBack: of('ROLLED_BACK').length,
      deploymentFrequency: of('SUCCEEDED').length / days,
      leadTimeP50: quantile(leads, 0.5),
      leadTimeP90: quantile(leads, 0.9),
      changeFailureRate: mine.length > 0 ? bad / mine.length : null,
      timeToRestoreP50: quantile(restores, 0.5),
      timeToRestoreP90: quantile(restores, 0.9),
      rollbackFrequency: of('ROLLED_BACK').length / days,
    };
  };
  // Every midnight of UTC is looked at: no arithmetic that could be wrong in the same way.
  const cuts = [query.from];
  for (let at = Math.floor(query.from / DAY) * DAY + DAY; at < query.to; at += DAY) {
    const day = new Date(at);
    const begins = { DAY: true, WEEK: day.getUTCDay() === 1, MONTH: day.getUTCDate() === 1 }[query.bucket];
    if (begins) cuts.push(at);
  }
  const buckets = cuts.map((from, index) => {
    const to = cuts[index + 1] ?? query.to;
    return { from, to, figures: figures(from, to) };
  });
  return { total: figures(query.from, query.to), buckets };
}

/** With linear interpolation between the two nearest. */
function quantile(values: number[], share: number): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
  return low + (high - low) * (place - Math.floor(place));
}

function compare(actual: Figures, wanted: Figures, where: string): void {
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(wanted).sort());
  for (const [name, value] of Object.entries(wanted)) {
    const got = actual[name] ?? null;
    const same =
      value === null || got === null ? got === value : Math.abs(got - value) <= 1e-6 * Math.max(1, value);
    assert.ok(same, `${where}: ${name} is ${got}, expected ${value}`);
  }
}
