/** The seam to what measures. One file a provider. */
import type { PcfApi } from '../../api/v1alpha1/pcfapi.js';
import type { AnalysisSpec } from '../../api/v1alpha1/spec/analysis.js';
import type { Due, PlannedMetric, Reading, Subject } from '../analysis-model.js';

/** One measurement to take, with all that a provider may need for it. */
export interface Request {
  api: PcfApi;
  analysis: AnalysisSpec;
  subject: Subject;
  metric: PlannedMetric;
  due: Due;
  /** The moment that is asked for, in milliseconds since the epoch: the same for canary and stable. */
  at: number;
}

export interface Provider {
  readonly type: 'Prometheus' | 'Webhook' | 'Job';
  /**
   * Takes one measurement. Throws when it could not be taken; the message goes into the
   * status of the PcfApi, so it says what is wrong and holds no secret.
   */
  measure(request: Request, signal: AbortSignal): Promise<Reading>;
}

/** Which provider a metric needs. */
export function providerType({ spec }: PlannedMetric): Provider['type'] {
  if (spec.job) return 'Job';
  return spec.webhook ? 'Webhook' : 'Prometheus';
}
