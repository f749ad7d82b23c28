import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';

/** A canary of three pods without steps, which is promoted as soon as possible. */
export function deliverySettings(changes: Partial<DeliverySpec> = {}): DeliverySpec {
  return {
    strategy: 'Canary',
    replicas: 3,
    stages: [],
    canaryPods: 'share',
    maxUnavailable: 0,
    paused: false,
    split: 'exact',
    retireDelayMs: 30_000,
    settleMs: 0,
    progressDeadlineMs: 600_000,
    requests: {},
    ...changes,
  };
}
