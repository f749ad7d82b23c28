/**
 * PromQL of the built-in metrics. They use counters of the API: GraphQL errors have HTTP status 200, so
 * metrics of a mesh or a proxy do not include them.
 */
import { countedIncrease, METRICS } from '../../contract/metrics.js';
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import type { MetricSpec } from '../api/v1alpha1/spec/analysis.js';
import {
  BURN_RATES,
  type BurnRate,
  type JobMetric,
  type PrometheusTarget,
  type RequestMetric,
} from '../api/v1alpha1/spec/analysis-sources.js';
import { quoted } from './placeholders.js';

const OPERATION = METRICS.operationLabel;

/** Selects the series. */
export interface Selection {
  namespace: string;
  revision: string;
}

export type Labels = Pick<PrometheusTarget, 'namespaceLabel' | 'revisionLabel'>;

/** Query of a built-in metric; undefined for other metrics. */
export function builtInQuery(metric: MetricSpec, labels: Labels, selection: Selection): string | undefined {
  const { successRate, latency, burnRate, jobFailureRate, jobDuration } = metric;
  if (burnRate) return burnRateQuery(burnRate, selectorOf(burnRate, labels, selection));
  if (successRate) return successRateQuery(successRate, selectorOf(successRate, labels, selection));
  if (latency) return latencyQuery(latency, latency.percentile / 100, selectorOf(latency, labels, selection));
  if (jobFailureRate) return failureRateQuery(jobFailureRate, jobMatchers(jobFailureRate, labels, selection));
  if (jobDuration)
    return durationQuery(
      jobDuration,
      jobDuration.percentile / 100,
      jobMatchers(jobDuration, labels, selection),
    );
  return undefined;
}

/** Attempts, not jobs: a job that succeeds after a retry has failed once. Jobs that were returned do not count. */
function failureRateQuery(asked: JobMetric, matchers: string[]): string {
  const by = asked.perQueue ? [METRICS.queueLabel] : [];
  const attempts = counted(METRICS.jobCount, braces(matchers), asked.window, by);
  const failures = counted(
    METRICS.jobCount,
    braces([...matchers, `${METRICS.outcomeLabel}="error"`]),
    asked.window,
    by,
  );
  const failed = `((${failures}) or (${attempts}) * 0)`;
  return enough(`clamp(${failed} / (${attempts}), 0, 1)`, attempts, asked.minJobs, by);
}

function durationQuery(asked: JobMetric, quantile: number, matchers: string[]): string {
  const by = asked.perQueue ? [METRICS.queueLabel] : [];
  const attempts = counted(METRICS.jobCount, braces(matchers), asked.window, by);
  const buckets = counted(METRICS.jobBuckets, braces(matchers), asked.window, [...by, 'le']);
  return enough(`histogram_quantile(${quantile}, ${buckets})`, attempts, asked.minJobs, by);
}

function successRateQuery(asked: RequestMetric, selector: string): string {
  const by = asked.perOperation ? [OPERATION] : [];
  const requests = counted(METRICS.operationCount, selector, asked.window, by);
  const errors = counted(METRICS.operationErrors, selector, asked.window, by);
  // Without errors there is no series of errors: this means 0 errors, not missing data.
  const failed = `((${errors}) or (${requests}) * 0)`;
  // Both values are extrapolated separately, so the ratio can be slightly out of range.
  return enough(`clamp(1 - ${failed} / (${requests}), 0, 1)`, requests, asked.minRequests, by);
}

function latencyQuery(asked: RequestMetric, quantile: number, selector: string): string {
  const by = asked.perOperation ? [OPERATION] : [];
  const requests = counted(METRICS.operationCount, selector, asked.window, by);
  const buckets = counted(METRICS.operationBuckets, selector, asked.window, [...by, 'le']);
  return enough(`histogram_quantile(${quantile}, ${buckets})`, requests, asked.minRequests, by);
}

/** The smaller burn rate of both windows. */
function burnRateQuery(asked: BurnRate, selector: string): string {
  const by = asked.perOperation ? [OPERATION] : [];
  const { short, long } = BURN_RATES[asked.preset];
  const rate = (window: string) => {
    const requests = counted(METRICS.operationCount, selector, window, by);
    const errors = counted(METRICS.operationErrors, selector, window, by);
    return `(((${errors}) or (${requests}) * 0) / (${requests}) / (1 - ${asked.objective}))`;
  };
  const smaller = `(${rate(short)} < ${rate(long)}) or ${rate(long)}`;
  const requests = counted(METRICS.operationCount, selector, short, by);
  return enough(smaller, requests, asked.minRequests, by);
}

/** An empty result if there are too few requests, or attempts. */
function enough(query: string, requests: string, least: number, by: string[]): string {
  return `(${query}) and on (${by.join(', ')}) ((${requests}) >= ${least})`;
}

function counted(counter: string, selector: string, window: string, by: string[]): string {
  return countedIncrease(counter, selector, promDuration(window), by);
}

/** Selector of the series of a revision, and of one operation if the metric has one. */
export function selectorOf(
  { operation }: Pick<RequestMetric, 'operation'>,
  labels: Labels,
  selection: Selection,
): string {
  const one = operation ? [`${OPERATION}=${quoted(operation)}`] : [];
  return braces([...revisionMatchers(labels, selection), ...one]);
}

function jobMatchers({ queue }: JobMetric, labels: Labels, selection: Selection): string[] {
  const one = queue ? [`${METRICS.queueLabel}=${quoted(queue)}`] : [];
  return [...revisionMatchers(labels, selection), ...one];
}

function revisionMatchers(labels: Labels, { namespace, revision }: Selection): string[] {
  return [`${labels.namespaceLabel}=${quoted(namespace)}`, `${labels.revisionLabel}=${quoted(revision)}`];
}

function braces(matchers: string[]): string {
  return `{${matchers.join(',')}}`;
}

/** Prometheus requires units in descending order without repetition; milliseconds are always valid. */
function promDuration(text: string): string {
  return `${durationMs(text)}ms`;
}
