import assert from 'node:assert/strict';
import fc from 'fast-check';
import { pino } from 'pino';
import { toGlobalId } from '../../../api-server/graphql/relay/global-id.js';
import { deliveryRollUpJob } from '../../../api-server/modules/delivery-metrics/delivery-roll-up.js';
import { propertyRuns } from '../../support/property-runs.js';
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
        const incidents = causedBy(ended, bad);
        await domain.clear();
        await insert(ended, incidents);
        compareAll(await ask(query), expected(ended, incidents, query));
      }),
      { numRuns: propertyRuns(60), seed: 7 },
    );
  }).timeout(60_000);

  it('are the same after deployments were rolled up and deleted, in however many runs, for whole days', async () => {
    const cuts = fc.array(time, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(deployments, outages, asked, cuts, async (ended, bad, anyTime, keptFrom) => {
        const incidents = causedBy(ended, bad);
        const query = { ...anyTime, from: dayOf(anyTime.from), to: dayOf(anyTime.to) + DAY };
        await domain.clear();
        await insert(ended, incidents);
        const wanted = expected(ended, incidents, query);
        compareAll(await ask(query), wanted);
        for (const cut of keptFrom) {
          await rollUp(cut);
          compareAll(await ask(query), wanted);
        }
        const last = dayOf(Math.max(...keptFrom));
        assert.equal(await kept(), ended.filter(({ finishedAt }) => (finishedAt ?? last) >= last).length);
      }),
      { numRuns: propertyRuns(30), seed: 11 },
    );
  }).timeout(60_000);

  it('what is told late of a day that is rolled up is added to it; a day counts where it begins', async () => {
    await domain.clear();
    const at = START + 3 * DAY + DAY / 2;
    const ended = (id: string, status: Status): Ended => ({
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
    await rollUp(0); // keeps everything from then on
    assert.equal(await kept(), 0);
    const times = { service: null, environment: null, bucket: 'DAY' as const };
    const [before, after] = [
      await ask({ ...times, from: at - 2 * DAY, to: at - 1 }),
      await ask({ ...times, from: at - 1, to: at + DAY }),
    ];
    assert.deepEqual([before.total.deployments, after.total.deployments], [2, 0]);
    const { succeeded, failed, leadTimeP50, changeFailureRate } = before.total;
    assert.deepEqual([succeeded, failed, leadTimeP50, changeFailureRate], [1, 1, 60, 0.5]);
  });

  it('a roll-up that fails has deleted nothing, and the next one does it all', async () => {
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
    assert.equal((await kept()) + Number(days?.deployments), many.length);
    await domain.sql('ALTER TABLE delivery_days DROP CONSTRAINT days_full');
    await Promise.all([rollUp(START + 30 * DAY), rollUp(START + 30 * DAY)]);
    assert.equal(await kept(), 0);
    const { total } = await ask({
      service: null,
      environment: null,
      bucket: 'MONTH',
      from: START,
      to: START + 30 * DAY,
    });
    assert.deepEqual([total.deployments, total.leadTimeP50], [2_500, 9.5 * 86_400]);
  });

  it('refuses a time that ends before it begins, and more buckets than anybody looks at', async () => {
    const ask = (from: string, to: string, bucket: string) => domain.run(QUERY, { from, to, bucket });
    const backward = await ask('2026-01-02T00:00:00Z', '2026-01-02T00:00:00Z', 'DAY');
    assert.deepEqual([backward.errors[0]?.code, backward.errors[0]?.field], ['BAD_USER_INPUT', 'to']);
    const long = await ask('2000-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 'DAY');
    assert.match(long.errors[0]!.message, /more than 1000 buckets; use a larger bucket/);
    const months = await ask('2000-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 'MONTH');
    assert.equal(months.data.deliveryMetrics.buckets.length, 26 * 12);
  });

  it('asks for incidents only when somebody wants to know of them', async () => {
    const { statements } = await domain.run(
      '{ deliveryMetrics(from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z") { total { deployments } } }',
    );
    assert.equal(statements.length, 1);
  });

  async function ask(query: Asked) {
    const { deliveryMetrics } = await domain.ask(QUERY, {
      ...query,
      service: query.service === null ? null : toGlobalId('Service', SERVICES[query.service]!),
      from: new Date(query.from).toISOString(),
      to: new Date(query.to).toISOString(),
    });
    return deliveryMetrics;
  }

  /** What ended on a day before `cut`. */
  async function rollUp(cut: number): Promise<void> {
    const { handle } = deliveryRollUpJob(domain.database.dataSource, Date.now() - cut, 1_000);
    const { signal } = new AbortController();
    await handle({}, { signal, attempt: 1, isLast: false, log: pino({ level: 'silent' }) });
  }

  async function kept(): Promise<number> {
    const [row] = await domain.sql<{ count: number }>('SELECT count(*)::int AS count FROM deployments');
    return row?.count ?? 0;
  }

  async function insert(ended: Ended[], incidents: Outage[]): Promise<void> {
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
  ended: Ended[],
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

function dayOf(at: number): number {
  return Math.floor(at / DAY) * DAY;
}

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

// biome-ignore lint/suspicious/noExplicitAny: as it is answered
function compareAll(metrics: any, { total, buckets }: ReturnType<typeof expected>): void {
  compare(metrics.total, total, 'total');
  assert.equal(metrics.buckets.length, buckets.length);
  buckets.forEach((bucket, index) => {
    const { from, to, ...figures } = metrics.buckets[index];
    assert.deepEqual([from, to].map(Date.parse), [bucket.from, bucket.to]);
    compare(figures, bucket.figures, `bucket ${from}`);
  });
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
