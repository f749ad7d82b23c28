/** What a reconcile decided, as Events that read like a log. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { PcfApiStatus } from '../api/v1alpha1/status.js';
import type { Decision, DeliveryPlan } from '../delivery/delivery-plan.js';
import type { Concern } from './issues.js';
import type { Summary } from './summary.js';

export interface Announcement {
  type: 'Normal' | 'Warning';
  reason: string;
  action: string;
  note: string;
}

export function announcements(
  api: PcfApi,
  plan: DeliveryPlan,
  summary: Summary,
  worries: readonly Concern[],
): Announcement[] {
  return [
    ...plan.decisions.map(announceDecision),
    ...weightChange(api.status, plan),
    ...trouble(api.status, summary, worries),
    ...newConcerns(api.status, worries),
  ];
}

function announceDecision(decision: Decision): Announcement {
  const normal = (reason: string, note: string): Announcement => ({
    type: 'Normal',
    reason,
    action: 'Deliver',
    note,
  });
  switch (decision.type) {
    case 'Started':
      return decision.undo
        ? normal('UndoStarted', `${decision.revision}, whose pods still run, gets the traffic back`)
        : normal('DeliveryStarted', `delivery of ${decision.revision} begins`);
    case 'StepCompleted':
      return normal(
        'StepCompleted',
        `step ${decision.step + 1} of ${decision.of} of ${decision.revision} is done`,
      );
    case 'Aborted':
      return {
        ...normal('Aborted', `${decision.revision} is aborted: ${decision.reason}: ${decision.message}`),
        type: 'Warning',
      };
    case 'Cancelled':
      return normal(
        'DeliveryCancelled',
        `the spec went back to the stable revision; ${decision.revision} is called off`,
      );
    case 'Superseded':
      return normal('DeliverySuperseded', `${decision.revision} gives way to ${decision.by}`);
    case 'ContractStarted':
      return normal(
        'ContractStarted',
        `the schema is contracted: ${decision.migrations.join(', ')}; there is no way back to revisions that need what goes`,
      );
    case 'ContractCancelled':
      return normal(
        'ContractCancelled',
        `the soak of ${decision.revision} ends without contract, as the delivery of ${decision.by} begins`,
      );
    case 'Promoted':
      return normal('Promoted', `${decision.revision} is the stable revision now`);
  }
}

function weightChange(before: PcfApiStatus | undefined, { position, traffic }: DeliveryPlan): Announcement[] {
  const was = before?.traffic?.effectiveWeight ?? 0;
  const is = traffic.effectiveWeight;
  if (!position.update || !position.stable || was === is) return [];
  const why = traffic.reason ? `: ${traffic.reason}` : '';
  return [
    {
      type: 'Normal',
      reason: 'WeightChanged',
      action: 'Route',
      note: `${position.update} gets ${is} %, it had ${was} %${why}`,
    },
  ];
}

const quiet = new Set([
  'Ready',
  'CanaryHolding',
  'Promoting',
  'RouteNotVerified',
  'Migrating',
  'PodsNotReady',
  'WeightHeldDown',
]);

/** A new kind of trouble is said once; the condition continues saying it. */
function trouble(
  before: PcfApiStatus | undefined,
  { reason, message }: Summary,
  worries: readonly Concern[],
): Announcement[] {
  if (before?.reason === reason || quiet.has(reason)) return [];
  if (worries.some((worry) => worry.reason === reason)) return []; // told as that
  const type = reason === 'Paused' || reason === 'ApprovalNeeded' ? 'Normal' : 'Warning';
  return [{ type, reason, action: 'Reconcile', note: message }];
}

/** Told once: the Degraded condition has been saying the others. */
function newConcerns(before: PcfApiStatus | undefined, worries: readonly Concern[]): Announcement[] {
  const degraded = before?.conditions?.find(({ type }) => type === 'Degraded');
  return worries
    .filter(({ reason, message }) => !quiet.has(reason) && !degraded?.message.includes(message))
    .map(({ reason, message }) => ({ type: 'Warning', reason, action: 'Reconcile', note: message }));
}
