import type { Measurement, PlannedMetric, Subject } from '../../../operator/analysis/analysis-model.js';
import type { MetricCounts } from '../../../operator/analysis/measurement-record.js';
import { type AnalysisStep, planMetrics } from '../../../operator/analysis/plan-metrics.js';
import { type AnalysisSpec, analysis } from '../../../operator/api/v1alpha1/spec/analysis.js';

export const START = Date.parse('2026-11-23T12:00:00Z');
export const iso = (ms: number) => new Date(ms).toISOString();

export const subject: Subject = {
  namespace: 'platform',
  name: 'api',
  revision: 'api-new',
  stableRevision: 'api-old',
  image: 'registry.example.com/pcf-api:2.0.0',
  startedAt: iso(START),
  weight: 10,
};

/** An analysis with Prometheus queries, with the defaults of the API server. */
export function analysisOf(
  given: Record<string, unknown> & { metrics: Record<string, unknown>[] },
): AnalysisSpec {
  return analysis.parse({ prometheus: { url: 'http://prometheus.test:9090' }, ...given });
}

/** A planned metric with a bound. */
export function plannedMetric(given: Record<string, unknown> = {}, steps?: AnalysisStep[], step?: number) {
  const metric = { name: 'errors', query: 'errors', max: 1, ...given };
  return planMetrics(analysisOf({ metrics: [metric] }), steps, step)[0]!;
}

/** The next measurement for these counts. */
export function next(
  counts: MetricCounts,
  outcome: Measurement['outcome'],
  at: number,
  more: Partial<Measurement> = {},
): Measurement {
  const { name, since, measurements: number } = counts;
  return { name, since, number, at: iso(at), outcome, ...more };
}

export type { PlannedMetric };
