/** Summary of a PcfApi, for its phase and the Ready condition. The message contains the cause and its start time. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { Reason } from '../api/v1alpha1/reasons.js';
import type { Phase } from '../api/v1alpha1/status.js';
import { windowRevision } from '../delivery/contract-window.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import type { RevisionView } from '../delivery/observation.js';
import { isMigrated } from '../delivery/plan.js';
import { type Finding, firstFinding, type Rule } from '../delivery/rule-chain.js';
import { schemaMessage } from '../delivery/schema-check.js';
import type { MigrationView } from '../migrations/migration-view.js';
import { hostConflictMessage, isShadowed } from './host-conflict.js';
import { unavailableStable, weakenedStable } from './issues.js';
import type { Observed } from './observed.js';
import { providerMissing as missingProvider, userRouteMissing } from './route-trouble.js';

export interface Summary extends Finding<Reason> {
  phase: Phase;
  /** As in kstatus: `Current` (the spec is applied), `InProgress`, `Failed` (manual action required). */
  verdict: 'Current' | 'InProgress' | 'Failed';
  /** The plan could not be written. The message has the reason. */
  unwritten?: true;
}

interface SummaryInput {
  observed: Observed;
  plan: DeliveryPlan;
  /** The revision being delivered, or the stable revision. */
  current: RevisionView | undefined;
  /** ` since <time>`: time since which the reason is reported. */
  since: (reason: Reason) => string;
}

type SummaryRule = Rule<SummaryInput, Summary>;

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

function secretMissing({ observed, since }: SummaryInput): Summary | undefined {
  const [missing, ...more] = observed.missingSecrets;
  if (!missing) return undefined;
  const { namespace } = observed.api.metadata;
  const what = missing.key
    ? `Secret ${namespace}/${missing.name} has no key "${missing.key}"`
    : `Secret ${namespace}/${missing.name} does not exist`;
  const others = more.length > 0 ? ` (and ${more.length} more)` : '';
  return {
    phase: 'Pending',
    reason: 'SecretMissing',
    message: `${what}${others}${since('SecretMissing')}; no pod is started until it exists`,
    verdict: 'InProgress',
  };
}

function providerMissing({ observed, since }: SummaryInput): Summary | undefined {
  const trouble = missingProvider(observed);
  return trouble ? missingObject('TrafficProviderMissing', trouble, since) : undefined;
}

/** The class of a Gateway would ignore the field, or reject the route. Running pods continue to serve. */
function featureUnsupported({ observed, since }: SummaryInput): Summary | undefined {
  const { unsupportedFeature } = observed;
  if (!unsupportedFeature) return undefined;
  return {
    phase: 'Pending',
    reason: 'GatewayFeatureUnsupported',
    message: `${unsupportedFeature}; no pod of a new revision is started${since('GatewayFeatureUnsupported')}`,
    verdict: 'InProgress',
  };
}

/** An undo below the rollback floor, within the window after contract. */
function restoring({ observed, plan }: SummaryInput): Summary | undefined {
  if (!plan.restoring) return undefined;
  const { stable = '' } = plan.position;
  const runner = windowRevision(observed.delivery.revisions, plan.position) ?? '';
  const { contractError } = observed.migrations.get(runner) ?? {};
  return {
    phase: 'Migrating',
    reason: 'Migrating',
    message: `waiting for ${plan.restoring}${contractError ? `: ${contractError}` : ''}; ${stable} continues to serve`,
    verdict: 'InProgress',
  };
}

/** An undo to a revision below the rollback floor is rejected. */
function belowRollbackFloor({ plan }: SummaryInput): Summary | undefined {
  const { position, refused } = plan;
  if (!refused || position.failed) return undefined;
  return {
    phase: 'Failed',
    reason: 'BelowRollbackFloor',
    message: `rejected: ${refused}; ${position.stable} continues to serve`,
    verdict: 'Failed',
  };
}

function routeMissing({ observed, since }: SummaryInput): Summary | undefined {
  const trouble = userRouteMissing(observed);
  return trouble ? missingObject('RouteMissing', trouble, since) : undefined;
}

/** A missing object that the user has to create before the delivery can continue. */
function missingObject(reason: Reason, message: string, since: SummaryInput['since']): Summary {
  return {
    phase: 'Pending',
    reason,
    message: `${message}; waiting for it${since(reason)}`,
    verdict: 'InProgress',
  };
}

function aborted({ observed, plan }: SummaryInput): Summary | undefined {
  const { failed, stable } = plan.position;
  // A retry was requested, and waits for a window.
  if (plan.held?.step === 'Start') return undefined;
  if (!failed || failed.revision !== observed.delivery.target) return undefined;
  const serving = stable ? `${stable} serves` : 'no revision serves';
  const again = `not retried until image, config or env change, or with: kubectl pcf retry ${observed.api.metadata.name}`;
  return {
    phase: 'Failed',
    reason: failed.reason as Reason,
    message: `${failed.revision} was aborted: ${failed.message}; ${serving}${remainingTraffic(plan)}; ${again}`,
    verdict: 'Failed',
  };
}

function paused({ observed, plan }: SummaryInput): Summary | undefined {
  if (!observed.api.spec.paused) return undefined;
  const { stable, update, weight } = plan.position;
  const isNew = observed.delivery.target !== stable && observed.delivery.target !== update;
  if (!update && !isNew) return undefined;
  const what = update
    ? `${update} stays at ${plan.traffic.effectiveWeight} %`
    : `${stable ?? 'nothing'} stays`;
  const desired = observed.api.spec.canaryWeight;
  const ignored =
    desired !== undefined && update && desired !== weight ? `; canaryWeight ${desired} is not applied` : '';
  const waits = isNew ? '; the changed spec is not delivered' : '';
  return {
    phase: 'Paused',
    reason: 'Paused',
    message: `paused: ${what}${ignored}${waits}`,
    verdict: 'Current',
  };
}

function migrating({ observed, plan, current }: SummaryInput): Summary | undefined {
  const { update } = plan.position;
  if (!update || plan.held?.step === 'Start' || (current && isMigrated(current))) return undefined;
  const migration = observed.migrations.get(update);
  if (migration?.state === 'Planned') return approvalNeeded(observed, plan, update);
  const trouble = migration?.error
    ? `; the last attempt failed and is retried with backoff: ${migration.error}`
    : '';
  return {
    phase: 'Migrating',
    reason: migration?.error ? 'MigrationRetrying' : 'Migrating',
    message: `waiting for the migrations of ${update}${phaseOf(migration)}${sinceStart(plan)}${trouble}${podTrouble(observed, update)}`,
    verdict: 'InProgress',
  };
}

function phaseOf(migration: MigrationView | undefined): string {
  return migration?.stage && migration.state === 'Running' ? ` (${migration.stage})` : '';
}

function approvalNeeded({ api, migrations }: Observed, plan: DeliveryPlan, update: string): Summary {
  const pending = migrations.get(update)?.report?.pending.length;
  return {
    phase: 'Migrating',
    reason: 'ApprovalNeeded',
    message: `${pending ?? 'the'} migrations of ${update} wait${sinceStart(plan)} for: kubectl pcf migrate approve ${api.metadata.name}`,
    verdict: 'InProgress',
  };
}

/** The first revision was aborted, and the spec describes another one now. */
function notStarted({ observed, plan }: SummaryInput): Summary | undefined {
  if (plan.position.stable || plan.position.update) return undefined;
  return {
    phase: 'Pending',
    reason: 'NotStarted',
    message: `the delivery of ${observed.delivery.target} is about to start`,
    verdict: 'InProgress',
  };
}

function stableUnavailable({ observed, plan, since }: SummaryInput): Summary | undefined {
  const stable = unavailableStable(observed, plan);
  if (!stable) return undefined;
  return {
    phase: 'Degraded',
    reason: 'StableUnavailable',
    message: `no pod of the stable revision ${stable.name} is ready${since('StableUnavailable')}${podTrouble(observed, stable.name)}`,
    verdict: 'InProgress',
  };
}

/** The first revision is retained, because no other one can serve. It becomes Ready when its pods do. */
function deadlineExceeded({ observed, plan }: SummaryInput): Summary | undefined {
  const { overdue, position } = plan;
  if (!overdue) return undefined;
  return {
    phase: 'Degraded',
    reason: 'ProgressDeadlineExceeded',
    message: `${overdue}; ${position.update} is retained, because there is no stable revision to revert to${podTrouble(observed, position.update!)}`,
    verdict: 'Failed',
  };
}

function podsNotReady({ observed, plan, current, since }: SummaryInput): Summary | undefined {
  const desired = plan.replicas[current?.name ?? ''] ?? 0;
  const have = current?.ready ?? 0;
  if (!current || have >= desired) return undefined;
  const serving = plan.position.update === undefined;
  return {
    phase: serving ? 'Degraded' : 'Progressing',
    reason: 'PodsNotReady',
    message: `waiting for pods of ${current.name}${serving ? since('PodsNotReady') : sinceStart(plan)}: ${have} of ${desired} ready${podTrouble(observed, current.name)}${serving ? remainingTraffic(plan) : ''}`,
    verdict: 'InProgress',
  };
}

/** The Gateway routes no request to this PcfApi, regardless of its weights. */
function hostsShadowed({ observed, since }: SummaryInput): Summary | undefined {
  const { api, liveRoute, hostConflicts } = observed;
  if (!isShadowed(api, liveRoute, hostConflicts)) return undefined;
  return {
    phase: 'Degraded',
    reason: 'HostConflict',
    message: `the gateway routes no requests to it${since('HostConflict')}: ${hostConflictMessage(hostConflicts)}`,
    verdict: 'InProgress',
  };
}

/** During a delivery. Otherwise the stable revision is the current one, which `podsNotReady` reports. */
function stableNotReady({ observed, plan, since }: SummaryInput): Summary | undefined {
  const stable = weakenedStable(observed, plan);
  if (!stable) return undefined;
  return {
    phase: 'Degraded',
    reason: 'PodsNotReady',
    message: `waiting for pods of the stable revision ${stable.name}${since('PodsNotReady')}: ${stable.ready} of ${plan.replicas[stable.name]} ready${podTrouble(observed, stable.name)}`,
    verdict: 'InProgress',
  };
}

/** Current, as while paused: a freeze of weeks is not a delivery that makes no progress. */
function windowClosed({ plan }: SummaryInput): Summary | undefined {
  const { held, traffic } = plan;
  if (!held) return undefined;
  const isStarted = held.revision === plan.position.update;
  const what = {
    Start: isStarted
      ? `migrations of ${held.revision} are pending`
      : `the delivery of ${held.revision} has not started`,
    Weight: `${held.revision} stays at ${traffic.effectiveWeight} % of the traffic`,
    Promotion: `${held.revision} has all of the traffic and is not promoted yet`,
  }[held.step];
  return {
    phase: 'Paused',
    reason: 'WindowClosed',
    message: `${what}; waiting for ${held.waitingFor}`,
    verdict: 'Current',
  };
}

/** The weight stays at 0 until the changes are approved. */
function schemaInUse({ observed, plan, since }: SummaryInput): Summary | undefined {
  const found = plan.schemaInUse;
  if (!found?.isBlocking) return undefined;
  return {
    phase: 'Canary',
    reason: 'SchemaInUse',
    message: `the weight of ${found.revision} stays at 0${since('SchemaInUse')}: ${schemaMessage(found)}; to deliver it anyway: kubectl pcf schema approve ${observed.api.metadata.name} --reason "..."`,
    verdict: 'InProgress',
  };
}

/** As with {@link schemaInUse}; the way out is another image, or a worker that switches at the promotion. */
function jobsIncompatible({ plan, since }: SummaryInput): Summary | undefined {
  const { jobsIncompatible: message, position } = plan;
  if (!message) return undefined;
  return {
    phase: 'Canary',
    reason: 'JobsIncompatible',
    message: `the weight of ${position.update} stays at 0${since('JobsIncompatible')}: ${message}; first release an image whose jobs both revisions can process, or disable components.worker.canary: the workers then switch at the promotion`,
    verdict: 'InProgress',
  };
}

function weightLimited({ plan, since }: SummaryInput): Summary | undefined {
  const { desiredWeight, effectiveWeight, reason } = plan.traffic;
  if (desiredWeight === effectiveWeight || plan.route?.byPods) return undefined;
  return {
    phase: 'Progressing',
    reason: 'WeightLimited',
    message: `the effective weight is ${effectiveWeight} %, the desired weight ${desiredWeight} %${since('WeightLimited')}: ${reason}`,
    verdict: 'InProgress',
  };
}

function routeNotVerified({ observed, plan, since }: SummaryInput): Summary | undefined {
  if (plan.traffic.verified || !plan.route) return undefined;
  const { routeRejected } = observed.delivery;
  if (routeRejected) {
    return {
      phase: 'Progressing',
      reason: 'RouteRejected',
      message: `${routeRejected}${since('RouteRejected')}`,
      verdict: 'InProgress',
    };
  }
  return {
    phase: 'Progressing',
    reason: 'RouteNotVerified',
    message: `${plan.traffic.reason ?? 'the route is not in effect'}${since('RouteNotVerified')}`,
    verdict: 'InProgress',
  };
}

function canaryInProgress({ plan }: SummaryInput): Summary | undefined {
  const { update } = plan.position;
  if (!update) return undefined;
  const weight = plan.traffic.effectiveWeight;
  if (plan.traffic.desiredWeight === 100) {
    return {
      phase: 'Progressing',
      reason: 'Promoting',
      message: plan.promotionWaitsFor
        ? `${update} has all of the traffic; its promotion waits for ${plan.promotionWaitsFor}`
        : `${update} has all of the traffic and is being promoted`,
      verdict: 'InProgress',
    };
  }
  const why = plan.traffic.reason ? ` (${plan.traffic.reason})` : '';
  const { step } = plan;
  const next = step?.waitingFor
    ? `step ${step.index + 1} of ${step.of}, waiting for ${step.waitingFor}`
    : 'raise canaryWeight to continue, 100 promotes it';
  return {
    phase: 'Canary',
    reason: 'CanaryHolding',
    message: `${update} receives ${weight} % of the traffic${why}; ${next}`,
    verdict: 'Current',
  };
}

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

/** Traffic that an aborted revision still receives: as planned, or because the route cannot be written. */
function remainingTraffic({
  traffic: { reason, verified, desiredWeight, effectiveWeight },
}: DeliveryPlan): string {
  if (reason && effectiveWeight > desiredWeight)
    return `; other revisions keep ${effectiveWeight} % of the traffic: ${reason}`;
  return reason && verified ? `; ${reason}` : '';
}

function sinceStart(plan: DeliveryPlan): string {
  return plan.position.startedAt ? ` since ${plan.position.startedAt}` : '';
}

function podTrouble(observed: Observed, revision: string): string {
  const trouble = observed.trouble.get(revision);
  return trouble ? `; ${trouble}` : '';
}
