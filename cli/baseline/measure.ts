/** Measures a revision with the metrics that the analysis uses, from Prometheus. */
import { countedIncrease, METRICS } from '../../contract/metrics.js';
import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import { span } from '../output.js';
import { analysisPrometheus, type QueryServer } from '../prometheus.js';
import type { Figures } from './record.js';

/** With fewer requests, a p99 is the latency of single requests. */
export const MIN_REQUESTS = 100;

/** The measured time, in seconds: shorter than required if the revision is younger. */
interface Measured {
  windowSeconds: number;
}

/** Without the figures: the number of requests, which are too few or have no latency. */
export interface Missing extends Measured {
  requests: number;
}

/** The figures since the promotion, in at most `windowSeconds`. */
export async function measure(
  server: QueryServer,
  api: PcfApi,
  revision: string,
  maxSeconds: number,
  now = Date.now(),
): Promise<(Figures & Measured) | Missing> {
  const { promotedAt } = api.status?.delivery ?? {};
  const ageSeconds = promotedAt ? Math.floor((now - Date.parse(promotedAt)) / 1_000) : maxSeconds;
  const windowSeconds = Math.max(1, Math.min(maxSeconds, ageSeconds));
  const { revisionLabel = 'pcf_dev_revision' } = analysisPrometheus(api) ?? {};
  // Both values are names of Kubernetes, whose JSON is a string of PromQL.
  const selector = `{${namespaceLabelOf(api)}=${JSON.stringify(api.metadata.namespace)},${revisionLabel}=${JSON.stringify(revision)}}`;
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
    return { requests: Math.round(requests), windowSeconds };
  const round = (value: number) => Number(value.toPrecision(4));
  return {
    requestsPerSecond: round(requests / windowSeconds),
    // Both increases are extrapolated separately.
    errorShare: round(Math.min(1, errors / requests)),
    p50: round(p50),
    p99: round(p99),
    windowSeconds,
  };
}

/** Why there are no figures. */
export function missingFigures(revision: string, { requests, windowSeconds }: Missing): string {
  const served = `${revision} has served ${requests} GraphQL requests in ${span(windowSeconds)}`;
  if (requests < MIN_REQUESTS) return `${served}, fewer than ${MIN_REQUESTS}`;
  return `${served}, but Prometheus has no latency of them (${METRICS.operationBuckets})`;
}

/** The label that has the namespace of a pod in the Prometheus of the analysis. */
export function namespaceLabelOf(api: PcfApi): string {
  return analysisPrometheus(api)?.namespaceLabel ?? 'namespace';
}
