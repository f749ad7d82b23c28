/**
 * Counts of each metric. Pure: they are read from the status and written to it, so an operator that is killed
 * continues with the last written counts.
 */
import type { MetricStatus } from '../api/v1alpha1/status/analysis.js';
import type { Measurement, PlannedMetric } from './analysis-model.js';
import { withHistory } from './sequential/interval-history.js';

/** Stored fields of a metric. The other fields of its status are derived from them. */
export type MetricCounts = Omit<MetricStatus, 'verdict' | 'message' | 'bound'>;

/** Maximum length of a detail, to limit the size of the status. */
export const MAX_DETAIL = 256;

/** Initial counts of a metric. */
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
 * Counts of exactly the planned metrics, in their order: new ones are added, others are removed. Metrics that
 * continue over steps also have counts per step.
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
 * Counts a measurement. Measurements that are already counted, belong to earlier counts or to no metric are
 * ignored, so a measurement can be passed repeatedly.
 */
export function record(results: readonly MetricCounts[], measurement: Measurement): MetricCounts[] {
  return results.map((counts) => (isNext(counts, measurement) ? counted(counts, measurement) : counts));
}

/** Also counts it for the step, if it was started during the step. */
export function recordAt(stepSince: string | undefined): typeof record {
  return (results, measurement) =>
    record(results, measurement).map((counts, index) => {
      const { atStep } = counts;
      if (atStep === undefined || isEarlier(measurement, stepSince)) return counts;
      return { ...counts, atStep: atStep + conclusive(counts) - conclusive(results[index]!) };
    });
}

/** Whether it was started before the step, with a smaller weight. */
function isEarlier({ at, begunAt = at }: Measurement, stepSince: string | undefined): boolean {
  return stepSince !== undefined && Date.parse(begunAt) < Date.parse(stepSince);
}

function isNext(counts: MetricCounts, { name, since, number }: Measurement): boolean {
  return counts.name === name && counts.since === since && counts.measurements === number;
}

const TALLY = { Failure: 'failures', Inconclusive: 'inconclusive', Error: 'errors' } as const;

function counted(
  counts: MetricCounts,
  { at, outcome, value, stableValue, detail, sequential }: Measurement,
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
    // Without a new interval, the last one is kept: missing data changes nothing.
    ...(sequential ? { sequential: withHistory(sequential, counts.sequential, at) } : {}),
  };
  if (outcome !== 'Success') next[TALLY[outcome]] += 1;
  return next;
}

function clip(text: string): string {
  return text.length <= MAX_DETAIL ? text : `${text.slice(0, MAX_DETAIL - 1)}…`;
}

/** Conclusive measurements of the subject: the step, or the whole delivery. */
export function judged(counts: MetricCounts): number {
  return counts.atStep ?? conclusive(counts);
}

/** Conclusive measurements. */
export function conclusive({ measurements, inconclusive, errors }: MetricCounts): number {
  return measurements - inconclusive - errors;
}
