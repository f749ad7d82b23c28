/** Summary of a PcfApi, for its phase and the Ready condition. The message contains the cause and its start time. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { Reason } from '../api/v1alpha1/reasons.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import { firstFinding } from '../delivery/rule-chain.js';
import type { Observed } from './observed.js';
import {
  deadlineExceeded,
  migrating,
  notStarted,
  podsNotReady,
  stableNotReady,
  stableUnavailable,
} from './summary-of-pods.js';
import {
  belowRollbackFloor,
  featureUnsupported,
  hostsShadowed,
  providerMissing,
  restoring,
  routeIncompatible,
  routeMissing,
  secretMissing,
} from './summary-of-prerequisites.js';
import {
  aborted,
  canaryInProgress,
  jobsIncompatible,
  paused,
  routeNotVerified,
  schemaInUse,
  weightLimited,
  windowClosed,
} from './summary-of-traffic.js';
import type { Summary, SummaryInput, SummaryRule } from './summary-rule.js';

export function summarize(observed: Observed, plan: DeliveryPlan, now: number): Summary {
  const name = plan.position.update ?? plan.position.stable;
  const current = observed.delivery.revisions.find((view) => view.name === name);
  const since = (reason: Reason) => ` since ${reasonSince(observed.api, reason, now)}`;
  const input: SummaryInput = { observed, plan, current, since };
  return firstFinding(rules, input) ?? ready(input);
}

/** Time since which the reason is reported, or now. */
export function reasonSince({ status }: PcfApi, reason: string, now: number): string {
  const known = status?.reason === reason ? status.since : undefined;
  return known ?? `${new Date(now).toISOString().slice(0, 19)}Z`;
}

const rules: readonly SummaryRule[] = [
  secretMissing,
  providerMissing,
  featureUnsupported,
  routeIncompatible,
  restoring,
  belowRollbackFloor,
  routeMissing,
  aborted,
  paused,
  migrating,
  notStarted,
  stableUnavailable,
  deadlineExceeded,
  podsNotReady,
  hostsShadowed,
  stableNotReady,
  schemaInUse,
  jobsIncompatible,
  windowClosed,
  weightLimited,
  routeNotVerified,
  canaryInProgress,
];

function ready({ plan, current }: SummaryInput): Summary {
  const pods = current?.ready ?? 0;
  const contract = plan.contract?.waitingFor ? `; contract waits for ${plan.contract.waitingFor}` : '';
  const { stable = '' } = plan.position;
  const serving =
    plan.replicas[stable] === 0
      ? `replicas is 0: no pod of ${stable} runs`
      : `${stable} serves all of the traffic with ${pods} ready ${pods === 1 ? 'pod' : 'pods'}`;
  return {
    phase: 'Ready',
    reason: 'Ready',
    message: `${serving}${contract}`,
    verdict: 'Current',
  };
}
