/** An independent computation of the delivery metrics, from all deployments and incidents. */
import assert from 'node:assert/strict';

export const DAY = 86_400_000;

export type Status = 'IN_PROGRESS' | 'SUCCEEDED' | 'FAILED' | 'ROLLED_BACK';

export interface Deployment {
  id: string;
  service: number;
  environment: string;
  status: Status;
  committedAt: number | null;
  finishedAt: number | null;
}

export interface Outage {
  service: number;
  environment: string;
  deployment: string | null;
  openedAt: number;
  resolvedAt: number | null;
}

export interface MetricsQuery {
  service: number | null;
  environment: string | null;
  from: number;
  to: number;
  bucket: 'DAY' | 'WEEK' | 'MONTH';
}

export function dayOf(at: number): number {
  return Math.floor(at / DAY) * DAY;
}

type Figures = Record<string, number | null>;

export function expected(ended: Deployment[], incidents: Outage[], query: MetricsQuery) {
  const matches = (one: { service: number; environment: string }) =>
    (query.service === null || one.service === query.service) &&
    (query.environment === null || one.environment === query.environment);
  const figures = (from: number, to: number): Figures => {
    const within = (at: number | null): at is number => at !== null && at >= from && at < to;
    const mine = ended.filter((one) => matches(one) && within(one.finishedAt));
    const withStatus = (status: Status) => mine.filter((one) => one.status === status);
    const caused = new Set(incidents.map(({ deployment }) => deployment));
    const bad = mine.filter((one) => one.status !== 'SUCCEEDED' || caused.has(one.id)).length;
    const leads = withStatus('SUCCEEDED').flatMap(({ committedAt, finishedAt }) =>
      committedAt === null ? [] : [Math.max(0, (finishedAt ?? 0) - committedAt) / 1_000],
    );
    const restores = incidents
      .filter((one) => matches(one) && within(one.resolvedAt))
      .map(({ openedAt, resolvedAt }) => ((resolvedAt ?? 0) - openedAt) / 1_000);
    const days = (to - from) / DAY;
    return {
      deployments: mine.length,
      succeeded: withStatus('SUCCEEDED').length,
      failed: withStatus('FAILED').length,
      rolledBack: withStatus('ROLLED_BACK').length,
      deploymentFrequency: withStatus('SUCCEEDED').length / days,
      leadTimeP50: quantile(leads, 0.5),
      leadTimeP90: quantile(leads, 0.9),
      changeFailureRate: mine.length > 0 ? bad / mine.length : null,
      timeToRestoreP50: quantile(restores, 0.5),
      timeToRestoreP90: quantile(restores, 0.9),
      rollbackFrequency: withStatus('ROLLED_BACK').length / days,
    };
  };
  // This tests every midnight in UTC. It does not share the date arithmetic of the implementation.
  const cuts = [query.from];
  for (let at = Math.floor(query.from / DAY) * DAY + DAY; at < query.to; at += DAY) {
    const day = new Date(at);
    const isStart = { DAY: true, WEEK: day.getUTCDay() === 1, MONTH: day.getUTCDate() === 1 }[query.bucket];
    if (isStart) cuts.push(at);
  }
  const buckets = cuts.map((from, index) => {
    const to = cuts[index + 1] ?? query.to;
    return { from, to, figures: figures(from, to) };
  });
  return { total: figures(query.from, query.to), buckets };
}

/** Quantile with linear interpolation between the two nearest values. */
function quantile(values: number[], share: number): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
  return low + (high - low) * (place - Math.floor(place));
}

// biome-ignore lint/suspicious/noExplicitAny: type of the response
export function compareAll(metrics: any, { total, buckets }: ReturnType<typeof expected>): void {
  compare(metrics.total, total, 'total');
  assert.equal(metrics.buckets.length, buckets.length);
  buckets.forEach((bucket, index) => {
    const { from, to, ...figures } = metrics.buckets[index];
    assert.deepEqual([from, to].map(Date.parse), [bucket.from, bucket.to]);
    compare(figures, bucket.figures, `bucket ${from}`);
  });
}

function compare(actual: Figures, expectedFigures: Figures, where: string): void {
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(expectedFigures).sort());
  for (const [name, value] of Object.entries(expectedFigures)) {
    const got = actual[name] ?? null;
    const same =
      value === null || got === null ? got === value : Math.abs(got - value) <= 1e-6 * Math.max(1, value);
    assert.ok(same, `${where}: ${name} is ${got}, expected ${value}`);
  }
}
