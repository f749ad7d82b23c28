/**
 * PromQL of the built-in metrics. They read the API's own counters: a GraphQL error
 * is an HTTP 200, so neither a mesh nor a proxy knows of it.
 */
import { METRICS } from '../../contract/metrics.js';
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import type { MetricSpec, PrometheusTarget, RequestMetric } from '../api/v1alpha1/spec/analysis.js';
import { quoted } from './placeholders.js';

const OPERATION = METRICS.operationLabel;

/** Whose series. */
export interface Selection {
  namespace: string;
  revision: string;
}

type Labels = Pick<PrometheusTarget, 'namespaceLabel' | 'revisionLabel'>;

/** The query of a built-in metric; undefined for one that is not. */
export function builtInQuery(metric: MetricSpec, labels: Labels, selection: Selection): string | undefined {
  const { successRate, latency } = metric;
  if (successRate) return successRateQuery(successRate, selectorOf(successRate, labels, selection));
  if (latency) return latencyQuery(latency, latency.percentile / 100, selectorOf(latency, labels, selection));
  return undefined;
}

function successRateQuery(asked: RequestMetric, selector: string): string {
  const by = asked.perOperation ? [OPERATION] : [];
  const requests = counted(METRICS.operationCount, selector, asked.window, by);
  const errors = counted(METRICS.operationErrors, selector, asked.window, by);
  // Where nothing ever failed there is no series of errors: that is 0 errors, not no data.
  const failed = `((${errors}) or (${requests}) * 0)`;
  // Both are extrapolated, each on its own, so the share may come out a little beside its range.
  return enough(`clamp(1 - ${failed} / (${requests}), 0, 1)`, requests, asked, by);
}

function latencyQuery(asked: RequestMetric, quantile: number, selector: string): string {
  const by = asked.perOperation ? [OPERATION] : [];
  const requests = counted(METRICS.operationCount, selector, asked.window, by);
  const buckets = counted(METRICS.operationBuckets, selector, asked.window, [...by, 'le']);
  return enough(`histogram_quantile(${quantile}, ${buckets})`, requests, asked, by);
}

/** Too few requests say nothing: the answer is empty then. */
function enough(query: string, requests: string, { minRequests }: RequestMetric, by: string[]): string {
  return `(${query}) and on (${by.join(', ')}) ((${requests}) >= ${minRequests})`;
}

/**
 * How much a counter grew in the window, per group. `increase` alone takes the first
 * sample of a series for its starting point: the pods of a canary are new, and what
 * they counted before they were first scraped, which may be all of the errors there
 * were, would be lost. A series that was not there a window ago began at 0.
 */
function counted(counter: string, selector: string, window: string, by: string[]): string {
  const series = `${counter}${selector}`;
  const range = promDuration(window);
  const known = `(increase(${series}[${range}]) and ${series} offset ${range})`;
  const added = `(max_over_time(${series}[${range}]) unless ${series} offset ${range})`;
  return `sum by (${by.join(', ')}) (${known} or ${added})`;
}

function selectorOf(
  { operation }: RequestMetric,
  labels: Labels,
  { namespace, revision }: Selection,
): string {
  const matchers = [
    `${labels.namespaceLabel}=${quoted(namespace)}`,
    `${labels.revisionLabel}=${quoted(revision)}`,
    ...(operation ? [`${OPERATION}=${quoted(operation)}`] : []),
  ];
  return `{${matchers.join(',')}}`;
}

/** Prometheus wants units in order and each once; milliseconds are always right. */
function promDuration(text: string): string {
  return `${durationMs(text)}ms`;
}
