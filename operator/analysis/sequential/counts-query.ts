/**
 * PromQL of the counts of sequential tests. `increase()` extrapolates, and a test of counts needs the counts
 * themselves: these are differences of samples.
 */
import { METRICS } from '../../../contract/metrics.js';
import type { MetricSpec } from '../../api/v1alpha1/spec/analysis.js';
import { type Labels, type Selection, selectorOf } from '../built-in.js';

/** Label of the result with the meaning of a series: see {@link COUNTED}. */
export const COUNTED_LABEL = 'counted';

/**
 * Series of the result. Requests, errors and buckets are counted since the start of the step; their totals are
 * those of the counters at that time, since the start of the processes.
 */
export const COUNTED = {
  requests: 'requests',
  errors: 'errors',
  buckets: 'buckets',
  totalRequests: 'total_requests',
  totalErrors: 'total_errors',
  totalBuckets: 'total_buckets',
} as const;

/** How far back the last sample before the start of the step can be: longer than any usual scrape interval. */
const LOOKBACK = '10m';

/** One query for all counts of a revision, `rangeMs` milliseconds back from the time of the query: more than 0. */
export function countsQuery(
  { successRate, latency }: MetricSpec,
  labels: Labels,
  selection: Selection,
  rangeMs: number,
): string {
  const requested = successRate ?? latency;
  if (!requested) throw new Error('sequential needs successRate or latency');
  const selector = selectorOf(requested, labels, selection);
  const by = requested.perOperation ? [METRICS.operationLabel] : [];
  const range = `${Math.ceil(rangeMs)}ms`;
  const both = (counter: string, added: string, total: string, groups: string[]) => [
    labeled(added, sum(increments(counter + selector, range), groups)),
    labeled(total, sum(atStart(counter + selector, range), groups)),
  ];
  const parts = [
    ...both(METRICS.operationCount, COUNTED.requests, COUNTED.totalRequests, by),
    ...(latency
      ? both(METRICS.operationBuckets, COUNTED.buckets, COUNTED.totalBuckets, [...by, 'le'])
      : both(METRICS.operationErrors, COUNTED.errors, COUNTED.totalErrors, by)),
  ];
  return parts.join(' or ');
}

/**
 * Difference between the last sample and the last one before the start. A counter that was reset, or that is new,
 * counts from 0: all of that happened since the start. After a reset, earlier requests of the process are
 * missing, with their errors.
 */
function increments(series: string, range: string): string {
  const last = `last_over_time(${series}[${range}])`;
  const grown = `(${last} - ${atStart(series, range)} >= 0)`;
  return `((${grown} and resets(${series}[${range}]) == 0) or ${last})`;
}

function atStart(series: string, range: string): string {
  return `last_over_time(${series}[${LOOKBACK}] offset ${range})`;
}

function sum(expression: string, by: string[]): string {
  return `sum by (${by.join(', ')}) (${expression})`;
}

function labeled(counted: string, expression: string): string {
  return `label_replace(${expression}, "${COUNTED_LABEL}", "${counted}", "", "")`;
}
