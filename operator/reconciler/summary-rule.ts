/** Rules of the summary: the first one that applies determines it. With the phrases that several of them use. */
import type { Reason } from '../api/v1alpha1/reasons.js';
import type { Phase } from '../api/v1alpha1/status.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import type { RevisionView } from '../delivery/observation.js';
import type { Finding, Rule } from '../delivery/rule-chain.js';
import type { Observed } from './observed.js';

export interface Summary extends Finding<Reason> {
  phase: Phase;
  /** As in kstatus: `Current` (the spec is applied), `InProgress`, `Failed` (manual action required). */
  verdict: 'Current' | 'InProgress' | 'Failed';
  /** The plan could not be written. The message has the reason. */
  unwritten?: true;
}

export interface SummaryInput {
  observed: Observed;
  plan: DeliveryPlan;
  /** The revision being delivered, or the stable revision. */
  current: RevisionView | undefined;
  /** ` since <time>`: time since which the reason is reported. */
  since: (reason: Reason) => string;
}

export type SummaryRule = Rule<SummaryInput, Summary>;

/** Traffic that an aborted revision still receives: as planned, or because the route cannot be written. */
export function remainingTraffic({
  traffic: { reason, verified, desiredWeight, effectiveWeight },
}: DeliveryPlan): string {
  if (reason && effectiveWeight > desiredWeight)
    return `; other revisions keep ${effectiveWeight} % of the traffic: ${reason}`;
  return reason && verified ? `; ${reason}` : '';
}

export function sinceStart(plan: DeliveryPlan): string {
  return plan.position.startedAt ? ` since ${plan.position.startedAt}` : '';
}

export function podTrouble(observed: Observed, revision: string): string {
  const trouble = observed.trouble.get(revision);
  return trouble ? `; ${trouble}` : '';
}
