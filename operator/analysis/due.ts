/** Which measurements are due, and when the next one will be. */

import type { Due, PlannedMetric } from './analysis-model.js';
import { conclusive, type MetricCounts } from './measurement-record.js';

/** What could not be measured is tried again after this, or after its interval where that is shorter. */
const RETRY_MS = 30_000;
/** Two leaders' clocks may differ so much. More than that, and the clock was set back: nobody waits for it to catch up. */
const CLOCK_SKEW_MS = 60_000;

/** The measurements to take now. `now` is in milliseconds since the epoch. */
export function due(planned: readonly PlannedMetric[], results: readonly MetricCounts[], now: number): Due[] {
  return results.flatMap((counts) => {
    const metric = planned.find(({ name }) => name === counts.name);
    if (!metric || waitMs(metric, counts, now) !== 0) return [];
    return [{ name: counts.name, since: counts.since, number: counts.measurements }];
  });
}

/**
 * Milliseconds until the next measurement becomes due; undefined when none will. Those
 * that are due already don't count: they are being taken, and their end is told.
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

/** Milliseconds until the metric is measured next; undefined when it need not be measured any more. */
export function waitMs(metric: PlannedMetric, counts: MetricCounts, now: number): number | undefined {
  if (counts.failures > metric.failureLimit) return undefined;
  if (!metric.continuous && conclusive(counts) >= metric.count) return undefined;
  const { since, lastMeasuredAt, outcome } = counts;
  if (lastMeasuredAt === undefined) return left(since, metric.initialDelayMs, now);
  const pauseMs = outcome === 'Error' ? Math.min(metric.intervalMs, RETRY_MS) : metric.intervalMs;
  return left(lastMeasuredAt, pauseMs, now);
}

function left(from: string, ms: number, now: number): number {
  const passedMs = now - Date.parse(from);
  return passedMs < -CLOCK_SKEW_MS ? 0 : Math.max(0, ms - passedMs);
}
