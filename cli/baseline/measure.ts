/** Measures a revision with the metrics that the analysis uses, from Prometheus. */
import { countedIncrease, METRICS } from '../../contract/metrics.js';
import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import type { QueryServer } from '../prometheus.js';
import type { Figures } from './record.js';

/** With fewer requests, a p99 is the latency of single requests. */
export const MIN_REQUESTS = 100;

/** The figures, or the number of requests if they are too few. */
export async function measure(
  server: QueryServer,
  api: PcfApi,
  revision: string,
  windowSeconds: number,
): Promise<Figures | { requests: number }> {
  const { canary, blueGreen } = api.spec.strategy ?? {};
  const target = canary?.analysis?.prometheus ?? blueGreen?.analysis?.prometheus;
  const { namespaceLabel = 'namespace', revisionLabel = 'pcf_dev_revision' } = target ?? {};
  // Both values are names of Kubernetes, whose JSON is a string of PromQL.
  const selector = `{${namespaceLabel}=${JSON.stringify(api.metadata.namespace)},${revisionLabel}=${JSON.stringify(revision)}}`;
  const increase = (metric: string, by: string[] = []) =>
    countedIncrease(metric, selector, `${windowSeconds}s`, by);
  const buckets = increase(METRICS.operationBuckets, ['le']);
  const [requests = 0, errors = 0, p50, p99] = await Promise.all([
    server.value(increase(METRICS.operationCount)),
    server.value(increase(METRICS.operationErrors)),
    server.value(`histogram_quantile(0.5, ${buckets})`),
    server.value(`histogram_quantile(0.99, ${buckets})`),
  ]);
  if (requests < MIN_REQUESTS || p50 === undefined || p99 === undefined)
    return { requests: Math.round(requests) };
  const round = (value: number) => Number(value.toPrecision(4));
  return {
    requestsPerSecond: round(requests / windowSeconds),
    // Both increases are extrapolated separately.
    errorShare: round(Math.min(1, errors / requests)),
    p50: round(p50),
    p99: round(p99),
  };
}
