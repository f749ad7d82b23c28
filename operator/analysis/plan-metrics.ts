/** Selects the metrics that are measured at a step, and their intervals. */
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import type { AnalysisSpec, MetricSpec } from '../api/v1alpha1/spec/analysis.js';
import type { PlannedMetric } from './analysis-model.js';
import { sequentialPace } from './sequential/settings.js';

/** The part of a strategy step that the planner reads. */
export interface AnalysisStep {
  /** Names of the metrics that judge this step. */
  analysis?: readonly string[];
}

const DEFAULT_TIMEOUT = '10s';

/**
 * A metric that is listed in a step is measured during the steps that list it, until its
 * count is reached. The other metrics are measured during all steps, because a failure may
 * appear only at a higher weight. `step` is an index; it is undefined without steps.
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
    ...sequentialPace(spec, analysis),
  };
}
