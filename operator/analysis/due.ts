/** Computes due measurements and the time of the next one. */
import type { Outcome } from '../api/v1alpha1/status/analysis.js';
import type { Due, PlannedMetric } from './analysis-model.js';
import { conclusive, type MetricCounts } from './measurement-record.js';

/** Retry interval after an error of the provider, unless the interval of the metric is shorter. */
const RETRY_MS = 30_000;
/**
 * Maximum clock difference between two leaders. A larger difference means that the clock was set back, and
 * the measurement does not wait for it.
 */
export const CLOCK_SKEW_MS = 60_000;

/** Measurements to start now. `now`: milliseconds since the epoch. */
export function due(planned: readonly PlannedMetric[], results: readonly MetricCounts[], now: number): Due[] {
  return results.flatMap((counts) => {
    const metric = planned.find(({ name }) => name === counts.name);
    if (!metric || waitMs(metric, counts, now) !== 0) return [];
    return [{ name: counts.name, since: counts.since, number: counts.measurements }];
  });
}

/**
 * Milliseconds until the next measurement is due; undefined if there is none. Measurements that are already
 * due do not count: they are in progress, and their end is an event.
 */
export function nextDueMs(
  planned: readonly PlannedMetric[],
  results: readonly MetricCounts[],
  now: number,
): number | undefined {
  const waits = results.flatMap((counts) => {
    const metric = planned.find(({ name }) => name === counts.name);
    return (metric && waitMs(metric, counts, now)) || [];
  });
  return waits.length > 0 ? Math.min(...waits) : undefined;
}

/** Milliseconds until the next measurement of the metric; undefined if none is needed. */
export function waitMs(metric: PlannedMetric, counts: MetricCounts, now: number): number | undefined {
  if (counts.failures > metric.failureLimit) return undefined;
  if (!metric.continuous && conclusive(counts) >= metric.count) return undefined;
  const { since, lastMeasuredAt, outcome } = counts;
  if (lastMeasuredAt === undefined) return left(since, metric.initialDelayMs, now);
  return pauseLeftMs(lastMeasuredAt, outcome, metric.intervalMs, now);
}

/** Milliseconds until the measurement after one with this outcome is due. */
export function pauseLeftMs(
  measuredAt: string,
  outcome: Outcome | undefined,
  intervalMs: number,
  now: number,
): number {
  return left(measuredAt, outcome === 'Error' ? Math.min(intervalMs, RETRY_MS) : intervalMs, now);
}

function left(from: string, ms: number, now: number): number {
  const passedMs = now - Date.parse(from);
  return passedMs < -CLOCK_SKEW_MS ? 0 : Math.max(0, ms - passedMs);
}
