/** Settings of a metric with a sequential test: timing, defaults, and their description. */
import { durationMs } from '../../api/v1alpha1/kubernetes.js';
import type { AnalysisSpec, MetricSpec } from '../../api/v1alpha1/spec/analysis.js';
import type { PlannedMetric } from '../analysis-model.js';

/** Frequent evaluations cost no confidence, so the interval is short: it delays each detection. */
const INTERVAL = '5s';
/** One percentage point of errors. */
const MIN_EFFECT_ERRORS = 0.01;
/** 20 % slower. */
const MIN_EFFECT_LATENCY = 0.2;

/**
 * Timing of a sequential metric. Errors are counted from the first request on. Latency has the initial delay of
 * the analysis, because a process that has just started is slower. One decision is final.
 */
export function sequentialPace(spec: MetricSpec, analysis: AnalysisSpec): Partial<PlannedMetric> {
  if (!spec.sequential) return {};
  return {
    intervalMs: durationMs(spec.interval ?? INTERVAL),
    initialDelayMs: durationMs(spec.initialDelay ?? (spec.latency ? analysis.initialDelay : '0s')),
    count: 1,
    failureLimit: 0,
  };
}

/** Smallest relevant regression: a difference of success rates, or a relative increase of the latency. */
export function minEffectOf({ sequential, latency }: MetricSpec): number {
  return sequential?.minEffect ?? (latency ? MIN_EFFECT_LATENCY : MIN_EFFECT_ERRORS);
}

export function sequentialBoundText(spec: MetricSpec): string {
  const effect = minEffectOf(spec);
  const bound = spec.latency
    ? `less than ${Number((effect * 100).toPrecision(4))} % slower than stable`
    : `success rate less than ${effect} below stable`;
  return `${bound}, alpha ${spec.sequential?.alpha}`;
}
