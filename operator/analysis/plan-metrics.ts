/** Which metrics are measured at a step, and how often. */
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import type { AnalysisSpec, MetricSpec } from '../api/v1alpha1/spec/analysis.js';
import type { PlannedMetric } from './analysis-model.js';

/** What of the strategy's steps matters here. */
export interface AnalysisStep {
  /** Names of the metrics that judge this step. */
  analysis?: readonly string[];
}

const DEFAULT_TIMEOUT = '10s';

/**
 * A metric that some step names is measured during the steps that name it, until its
 * count is full. The others are measured throughout: what goes wrong at 50 % may have
 * been well at 5 %. `step` is an index; without one there are no steps.
 */
export function planMetrics(
  analysis: AnalysisSpec,
  steps: readonly AnalysisStep[] = [],
  step?: number,
): PlannedMetric[] {
  const named = new Set(steps.flatMap((each) => each.analysis ?? []));
  const here = new Set(step === undefined ? [] : steps[step]?.analysis);
  return analysis.metrics
    .filter(({ name }) => !named.has(name) || here.has(name))
    .map((metric) => planned(analysis, metric, !here.has(metric.name)));
}

function planned(analysis: AnalysisSpec, spec: MetricSpec, continuous: boolean): PlannedMetric {
  return {
    name: spec.name,
    spec,
    continuous,
    intervalMs: durationMs(spec.interval ?? analysis.interval),
    initialDelayMs: durationMs(spec.initialDelay ?? analysis.initialDelay),
    count: spec.count ?? analysis.count,
    failureLimit: spec.failureLimit ?? analysis.failureLimit,
    inconclusiveLimit: spec.inconclusiveLimit ?? analysis.inconclusiveLimit,
    timeoutMs: durationMs(
      spec.job?.timeout ?? spec.webhook?.timeout ?? analysis.prometheus?.timeout ?? DEFAULT_TIMEOUT,
    ),
  };
}
