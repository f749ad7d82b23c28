/**
 * The counts of each metric. Pure: they come from status and go back there, so an
 * operator that is killed at any line continues from what was written last.
 */
import type { MetricStatus } from '../api/v1alpha1/status/analysis.js';
import type { Measurement, PlannedMetric } from './analysis-model.js';

/** What is kept of a metric; the rest of its status is derived from it. */
export type MetricCounts = Omit<MetricStatus, 'verdict' | 'message' | 'bound'>;

/** What a detail may hold, so that a status of many metrics stays small. */
export const MAX_DETAIL = 256;

/** A metric nobody has measured yet. */
export function fresh(name: string, now: number): MetricCounts {
  return {
    name,
    since: new Date(now).toISOString(),
    measurements: 0,
    failures: 0,
    inconclusive: 0,
    errors: 0,
    inARow: 0,
  };
}

/**
 * The counts of exactly the planned metrics, in their order: a new one starts, one that is
 * gone is forgotten. Those that continue over steps are counted for each step besides.
 */
export function align(
  planned: readonly PlannedMetric[],
  before: readonly MetricCounts[],
  now: number,
  stepSince?: string,
): MetricCounts[] {
  return planned.map(({ name, continuous }) => {
    const counts = before.find((one) => one.name === name) ?? fresh(name, now);
    return continuous && stepSince !== undefined ? { ...counts, atStep: counts.atStep ?? 0 } : counts;
  });
}

/**
 * Counts a measurement in. One that was counted already, that belongs to an earlier
 * count or to no metric changes nothing: it may be told of any number of times.
 */
export function record(results: readonly MetricCounts[], measurement: Measurement): MetricCounts[] {
  return results.map((counts) => (isNext(counts, measurement) ? counted(counts, measurement) : counts));
}

/** The same, which counts it for the step too, where it was begun in it. */
export function recordAt(stepSince: string | undefined): typeof record {
  return (results, measurement) =>
    record(results, measurement).map((counts, index) => {
      const { atStep } = counts;
      if (atStep === undefined || isEarlier(measurement, stepSince)) return counts;
      return { ...counts, atStep: atStep + conclusive(counts) - conclusive(results[index]!) };
    });
}

/** Whether it was begun before the step was: then it is of a smaller share. */
function isEarlier({ at, begunAt = at }: Measurement, stepSince: string | undefined): boolean {
  return stepSince !== undefined && Date.parse(begunAt) < Date.parse(stepSince);
}

function isNext(counts: MetricCounts, { name, since, number }: Measurement): boolean {
  return counts.name === name && counts.since === since && counts.measurements === number;
}

const TALLY = { Failure: 'failures', Inconclusive: 'inconclusive', Error: 'errors' } as const;

function counted(
  counts: MetricCounts,
  { at, outcome, value, stableValue, detail }: Measurement,
): MetricCounts {
  const again = counts.outcome === outcome;
  const { value: _value, stableValue: _stableValue, detail: _detail, ...kept } = counts;
  const next: MetricCounts = {
    ...kept,
    measurements: counts.measurements + 1,
    lastMeasuredAt: at,
    outcome,
    outcomeSince: again ? counts.outcomeSince : at,
    inARow: again ? counts.inARow + 1 : 1,
    ...(value === undefined ? {} : { value }),
    ...(stableValue === undefined ? {} : { stableValue }),
    ...(detail ? { detail: clip(detail) } : {}),
  };
  if (outcome !== 'Success') next[TALLY[outcome]] += 1;
  return next;
}

function clip(text: string): string {
  return text.length <= MAX_DETAIL ? text : `${text.slice(0, MAX_DETAIL - 1)}…`;
}

/** Measurements that said something of what is judged: the step, or the delivery as a whole. */
export function judged(counts: MetricCounts): number {
  return counts.atStep ?? conclusive(counts);
}

/** Measurements that said something. */
export function conclusive({ measurements, inconclusive, errors }: MetricCounts): number {
  return measurements - inconclusive - errors;
}
