/** Decisions of a reconcile as Kubernetes Events. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { WindowsStatus } from '../api/v1alpha1/status/windows.js';
import type { PcfApiStatus } from '../api/v1alpha1/status.js';
import type { Decision, DeliveryPlan } from '../delivery/delivery-plan.js';
import type { Issue } from './issues.js';
import type { Summary } from './summary-rule.js';

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
  issues: readonly Issue[],
  windows?: WindowsStatus,
): Announcement[] {
  return [
    ...windowOverride(api.status?.windows, windows),
    ...plan.decisions.map(announceDecision),
    ...weightChange(api.status, plan),
    ...trouble(api.status, summary, issues),
    ...newIssues(api.status, issues),
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
        ? normal(
            'UndoStarted',
            `started an undo: ${decision.revision}, whose pods still run, receives the traffic again`,
          )
        : normal('DeliveryStarted', `started the delivery of ${decision.revision}`);
    case 'StepCompleted':
      return normal(
        'StepCompleted',
        `completed step ${decision.step + 1} of ${decision.of} of ${decision.revision}${decision.by ? `, approved with a link by ${decision.by}` : ''}`,
      );
    case 'ApprovalRequested':
      return normal(
        'ApprovalRequested',
        `step ${decision.step + 1} of ${decision.of} of ${decision.revision} waits for its manual promotion`,
      );
    case 'Aborted':
      return {
        ...normal('Aborted', `aborted ${decision.revision}: ${decision.reason}: ${decision.message}`),
        type: 'Warning',
      };
    case 'Cancelled':
      return normal(
        'DeliveryCancelled',
        `cancelled the delivery of ${decision.revision}: the spec was reverted to the stable revision`,
      );
    case 'Superseded':
      return normal(
        'DeliverySuperseded',
        `the delivery of ${decision.revision} is superseded by ${decision.by}`,
      );
    case 'ContractStarted':
      return normal(
        'ContractStarted',
        `started contract migrations ${decision.migrations.join(', ')}: a rollback to revisions that need what they drop is only possible within contractWindow`,
      );
    case 'ContractCancelled':
      return normal(
        'ContractCancelled',
        `cancelled the contract migrations of ${decision.revision}: the delivery of ${decision.by} started during the soak`,
      );
    case 'ContractRestored':
      return normal(
        'ContractRestored',
        `restored what contract migrations ${decision.migrations.join(', ')} of ${decision.revision} dropped: they are pending again`,
      );
    case 'Promoted':
      return normal('Promoted', `promoted ${decision.revision} to the stable revision`);
  }
}

/** Each override is announced once, with its reason, so that it is recorded. */
function windowOverride(
  before: WindowsStatus | undefined,
  { override }: Partial<WindowsStatus> = {},
): Announcement[] {
  const known = before?.override;
  if (!override || (known?.until === override.until && known.reason === override.reason)) return [];
  const { by = 'an unknown field manager', until, reason } = override;
  return [
    {
      type: 'Warning',
      reason: 'WindowOverridden',
      action: 'Deliver',
      note: `${by} overrides windows and freezes until ${until}: ${reason}`,
    },
  ];
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
      note: `weight of ${position.update} changed from ${was} % to ${is} %${why}`,
    },
  ];
}

const quiet = new Set([
  'Ready',
  'CanaryHolding',
  'FreezeNotMeasured',
  'Promoting',
  'RouteNotVerified',
  'Migrating',
  'PodsNotReady',
  'WeightLimited',
]);

/** A new reason is announced once. The condition continues to report it. */
function trouble(
  before: PcfApiStatus | undefined,
  { reason, message }: Summary,
  issues: readonly Issue[],
): Announcement[] {
  if (before?.reason === reason || quiet.has(reason)) return [];
  if (issues.some((issue) => issue.reason === reason)) return []; // announced as a concern
  const type = ['Paused', 'ApprovalNeeded', 'WindowClosed'].includes(reason) ? 'Normal' : 'Warning';
  return [{ type, reason, action: 'Reconcile', note: message }];
}

/** Announced once: the Degraded condition already contains the others. */
function newIssues(before: PcfApiStatus | undefined, issues: readonly Issue[]): Announcement[] {
  const degraded = before?.conditions?.find(({ type }) => type === 'Degraded');
  return issues
    .filter(({ reason, message }) => !quiet.has(reason) && !degraded?.message.includes(message))
    .map(({ reason, message }) => ({ type: 'Warning', reason, action: 'Reconcile', note: message }));
}
