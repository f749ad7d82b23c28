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
 * Series of the result. Requests, errors and buckets are counted since the start of the test; their totals are
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

/** How far back the last sample before the start can be: longer than any usual scrape interval. */
const LOOKBACK = '10m';
/** Labels of the counters that other series of the same process do not have. */
const OWN_LABELS = [METRICS.operationLabel, 'type', METRICS.outcomeLabel, 'le'].join(', ');

/** A part of the time of a test, in milliseconds since the epoch. */
export interface Part {
  from: number;
  to: number;
  /** Whether the test starts with it: then the totals are read as well. */
  isFirst: boolean;
}

/** One query for all counts of a revision in the part, at the time of its end. */
export function countsQuery(spec: MetricSpec, labels: Labels, selection: Selection, part: Part): string {
  const requested = requestMetric(spec);
  const selector = selectorOf(requested, labels, selection);
  const process = METRICS.processStart + selectorOf({}, labels, selection);
  const by = requested.perOperation ? [METRICS.operationLabel] : [];
  const both = (counter: string, added: string, total: string, groups: string[]) => [
    labeled(added, sum(increments(counter + selector, process, part), groups)),
    ...(part.isFirst ? [labeled(total, sum(atStart(counter + selector, part), groups))] : []),
  ];
  const parts = [
    ...both(METRICS.operationCount, COUNTED.requests, COUNTED.totalRequests, by),
    ...(spec.latency
      ? both(METRICS.operationBuckets, COUNTED.buckets, COUNTED.totalBuckets, [...by, 'le'])
      : both(METRICS.operationErrors, COUNTED.errors, COUNTED.totalErrors, by)),
  ];
  return parts.join(' or ');
}

/** Label of the result of {@link sampleTimesQuery}: `oldest` or `mean`. */
export const TIME_LABEL = 'time';

/** Times of the newest samples of a revision, in seconds. All of its counters are at least as new as the oldest. */
export function sampleTimesQuery(labels: Labels, selection: Selection): string {
  const times = timesOf(labels, selection);
  const named = (name: string, value: string) =>
    `label_replace(${value}, "${TIME_LABEL}", "${name}", "", "")`;
  return `${named('oldest', `min(${times})`)} or ${named('mean', `avg(${times})`)}`;
}

function timesOf(labels: Labels, selection: Selection): string {
  return `timestamp(${METRICS.operationCount}${selectorOf({}, labels, selection)})`;
}

/**
 * When the last process that was started before the part, and not scraped before it, was first scraped, in seconds.
 * Which of its requests before that are older than the part is unknown. A new pod is usually one of these, because it
 * becomes ready sooner than Prometheus discovers it.
 */
export function discoveredQuery(labels: Labels, selection: Selection, part: Part): string {
  const process = METRICS.processStart + selectorOf({}, labels, selection);
  const range = rangeOf(part);
  const isOlder = `last_over_time(${process}[${range}]) < ${seconds(part.from)}`;
  const firstScrape = `min_over_time(timestamp(${process})[${range}:1s])`;
  return `max((${firstScrape} and (${isOlder})) unless ${atStart(process, part)})`;
}

/** The first time, in seconds, at which all processes have been scraped since the start of the part. */
export function scrapedSinceQuery(labels: Labels, selection: Selection, { from, to }: Part): string {
  const isScraped = `min(${timesOf(labels, selection)}) >= ${seconds(from)}`;
  return `min_over_time(((${isScraped}) * 0 + time())[${to - from}ms:1s])`;
}

export function requestMetric({ successRate, latency }: MetricSpec) {
  const requested = successRate ?? latency;
  if (!requested) throw new Error('sequential needs successRate or latency');
  return requested;
}

/**
 * Difference between the last sample and the last one before the start. A counter that was reset, or that is new,
 * counts from 0: all of that happened since the start. After a reset, earlier requests of the process in the part
 * are missing, with their errors. A process that was started before the part and not scraped before it is not
 * counted in the part: see {@link discoveredQuery}.
 *
 * `resets()` finds no reset between the two samples next to the start, and the difference is positive again when the
 * new process has counted more. The start of the process shows it for all of its counters at the same time.
 */
function increments(series: string, process: string, part: Part): string {
  const range = rangeOf(part);
  const last = `last_over_time(${series}[${range}])`;
  const started = `last_over_time(${process}[${range}])`;
  const grown = `(${last} - ${atStart(series, part)} >= 0)`;
  const restarted = `(${started} != ${atStart(process, part)})`;
  const unknown = `((${started} < ${seconds(part.from)}) unless ${atStart(process, part)})`;
  const continued = `${grown} and resets(${series}[${range}]) == 0 unless ignoring(${OWN_LABELS}) ${restarted}`;
  return `((${continued}) or ${last}) unless ignoring(${OWN_LABELS}) ${unknown}`;
}

function atStart(series: string, part: Part): string {
  return `last_over_time(${series}[${LOOKBACK}] offset ${rangeOf(part)})`;
}

function rangeOf({ from, to }: Part): string {
  return `${Math.ceil(to - from)}ms`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

function sum(expression: string, by: string[]): string {
  return `sum by (${by.join(', ')}) (${expression})`;
}

function labeled(counted: string, expression: string): string {
  return `label_replace(${expression}, "${COUNTED_LABEL}", "${counted}", "", "")`;
}
