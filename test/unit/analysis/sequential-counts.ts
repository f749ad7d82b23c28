/** Counts of requests of two revisions, and the outcome of their sequential test. */
import type { Sample, Windows } from '../../../operator/analysis/analysis-model.js';
import { evaluate } from '../../../operator/analysis/bounds.js';
import { COUNTED_LABEL } from '../../../operator/analysis/sequential/counts-query.js';
import { plannedMetric, START } from './metrics-under-test.js';

export const MINUTE = 60_000;

export function sequentialMetric(given: Record<string, unknown> = {}) {
  const metric = { query: undefined, max: undefined, successRate: {}, sequential: {}, ...given };
  return plannedMetric(metric, [{}, {}, {}], 0);
}

/** Series of the query, such as `{ 'requests Search': 100 }`. */
export function series(counts: Record<string, number>): Sample[] {
  return Object.entries(counts).map(([key, value]) => {
    const [counted = '', operation, le] = key.split(' ');
    return {
      labels: { [COUNTED_LABEL]: counted, ...(operation ? { operation } : {}), ...(le ? { le } : {}) },
      value,
    };
  });
}

export const STABLE = { requests: 20_000, errors: 20, total_requests: 100_000, total_errors: 100 };

/** Pods that are scraped at the same time: both windows are equal. */
export function windows(counts: Record<string, number>): Windows {
  return { narrow: series(counts), wide: series(counts), wideSeconds: 600 };
}

export function outcomeOf(
  canary: Record<string, number> | Windows,
  stable: Record<string, number> | Windows = STABLE,
  given: Record<string, unknown> = {},
  note?: string,
) {
  const { spec } = sequentialMetric(given);
  const of = (it: Record<string, number> | Windows) =>
    'wideSeconds' in it && Array.isArray(it.wide) ? (it as Windows) : windows(it as Record<string, number>);
  const reading = { type: 'Counts' as const, since: START, at: START + 10 * MINUTE };
  return evaluate(spec, {
    ...{ ...reading, canary: of(canary), stable: of(stable) },
    ...(note ? { note } : {}),
  });
}
