/** Settings of the autoscaler that wait for a promotion, for the page and the status output of the plugin. Pure. */
import type { AutoscalingStatus } from '../../api/v1alpha1/status/autoscaling.js';

/** Undefined if none wait. */
export function autoscalingLines(autoscaling: AutoscalingStatus | undefined): string[] | undefined {
  const { revision, next } = autoscaling ?? {};
  if (!next) return undefined;
  return [
    `the autoscaler has the settings of ${revision}`,
    `after the promotion of ${next.revision}: ${next.changes.join(', ')}`,
  ];
}
