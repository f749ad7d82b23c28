import { fullReplicas } from '../api/v1alpha1/defaults.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { DeliverySettings } from '../delivery/types.js';
import type { TrafficRouter } from '../traffic/router.js';

/** How long a revision that lost its traffic keeps its pods, so that going back is one change of weight. */
const RETIRE_DELAY_MS = 30_000;

/** What the planner needs to know of the spec. */
export function deliverySettings({ spec }: PcfApi, router: TrafficRouter): DeliverySettings {
  return {
    replicas: fullReplicas(spec),
    canaryWeight: spec.canaryWeight,
    paused: spec.paused ?? false,
    split: router.split,
    retireDelayMs: RETIRE_DELAY_MS,
  };
}
