/** Interface of measurement providers, with one file per provider. */
import type { PcfApi } from '../../api/v1alpha1/pcfapi.js';
import type { AnalysisSpec } from '../../api/v1alpha1/spec/analysis.js';
import type { Due, PlannedMetric, Reading, Subject } from '../analysis-model.js';

/** Input of a measurement. */
export interface Request {
  api: PcfApi;
  analysis: AnalysisSpec;
  subject: Subject;
  metric: PlannedMetric;
  due: Due;
  /** Time of the measurement in milliseconds since the epoch, the same for canary and stable. */
  at: number;
  /**
   * For sequential tests: start of the test, in milliseconds since the epoch. Default: the start of the counts of
   * the metric.
   */
  countFrom?: number;
  /** For sequential tests: logarithm of the e-value of the earlier tests of the delivery. Default: 0. */
  earlierEvidence?: number;
}

export interface Provider {
  readonly type: 'Prometheus' | 'Webhook' | 'Job';
  /**
   * Performs a measurement. Throws if it fails. The message is written to the status of the PcfApi, so it
   * must contain no secret.
   */
  measure(request: Request, signal: AbortSignal): Promise<Reading>;
}

/** Provider of a metric. */
export function providerType({ spec }: PlannedMetric): Provider['type'] {
  if (spec.job) return 'Job';
  return spec.webhook ? 'Webhook' : 'Prometheus';
}
