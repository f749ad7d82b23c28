/**
 * Summary of a PcfApi: an ordered chain of rules, of which the first match applies (like the policy
 * chains of cert-manager). The message contains the cause and its start time.
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { Phase } from '../api/v1alpha1/status.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import type { RevisionView } from '../delivery/observation.js';
import { isMigrated } from '../delivery/plan.js';
import type { MigrationView } from '../migrations/migration-view.js';
import { hostConflictMessage, isShadowed } from './host-conflict.js';
import { unavailableStable, weakenedStable } from './issues.js';
import type { Observed } from './observed.js';
import { providerMissing as missingProvider, userRouteMissing } from './route-trouble.js';

export interface Summary {
  phase: Phase;
  reason: string;
  message: string;
  /** As in kstatus: `Current` (the spec is applied), `InProgress`, `Failed` (manual action required). */
  verdict: 'Current' | 'InProgress' | 'Failed';
  /** The plan could not be written. The message has the reason. */
  unwritten?: true;
}

interface Case {
  seen: Observed;
  plan: DeliveryPlan;
  /** The revision being delivered, or the stable revision. */
  current: RevisionView | undefined;
  /** ` since <time>`: time since which the reason is reported. */
  since: (reason: string) => string;
}

type Rule = (given: Case) => Summary | undefined;

export function summarize(seen: Observed, plan: DeliveryPlan, now: number): Summary {
  const name = plan.position.update ?? plan.position.stable;
  const current = seen.delivery.revisions.find((view) => view.name === name);
  const since = (reason: string) => ` since ${reasonSince(seen.api, reason, now)}`;
  const given: Case = { seen, plan, current, since };
  for (const rule of rules) {
    const verdict = rule(given);
    if (verdict) return verdict;
  }
  return ready(given);
}

/** Time since which the reason is reported, or now. */
export function reasonSince({ status }: PcfApi, reason: string, now: number): string {
  const known = status?.reason === reason ? status.since : undefined;
  return known ?? `${new Date(now).toISOString().slice(0, 19)}Z`;
}

const rules: Rule[] = [
  secretMissing,
  providerMissing,
  belowFloor,
  routeMissing,
  givenUp,
  paused,
  migrating,
  nothingYet,
  stableUnavailable,
  deadlineExceeded,
  podsNotReady,
  shadowed,
  stableNotReady,
  weightLimited,
  routeNotVerified,
  canary,
];

function secretMissing({ seen, since }: Case): Summary | undefined {
  const [missing, ...more] = seen.missingSecrets;
  if (!missing) return undefined;
  const { namespace } = seen.api.metadata;
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

function providerMissing({ seen, since }: Case): Summary | undefined {
  const trouble = missingProvider(seen);
  return trouble ? waitingFor('TrafficProviderMissing', trouble, since) : undefined;
}

/** An undo to a revision below the rollback floor is rejected. */
function belowFloor({ plan }: Case): Summary | undefined {
  const { position, refused } = plan;
  if (!refused || position.failed) return undefined;
  return {
    phase: 'Failed',
    reason: 'BelowRollbackFloor',
    message: `rejected: ${refused}; ${position.stable} continues to serve`,
    verdict: 'Failed',
  };
}

function routeMissing({ seen, since }: Case): Summary | undefined {
  const trouble = userRouteMissing(seen);
  return trouble ? waitingFor('RouteMissing', trouble, since) : undefined;
}

/** A missing object that the user has to create before the delivery can continue. */
function waitingFor(reason: string, trouble: string, since: Case['since']): Summary {
  return {
    phase: 'Pending',
    reason,
    message: `${trouble}; waiting for it${since(reason)}`,
    verdict: 'InProgress',
  };
}

function givenUp({ seen, plan }: Case): Summary | undefined {
  const { failed, stable } = plan.position;
  if (!failed || failed.revision !== seen.delivery.target) return undefined;
  const serving = stable ? `${stable} serves` : 'no revision serves';
  const again = `not retried until image, config or env change, or with: kubectl pcf retry ${seen.api.metadata.name}`;
  return {
    phase: 'Failed',
    reason: failed.reason,
    message: `${failed.revision} was aborted: ${failed.message}; ${serving}${kept(plan)}; ${again}`,
    verdict: 'Failed',
  };
}

function paused({ seen, plan }: Case): Summary | undefined {
  if (!seen.api.spec.paused) return undefined;
  const { stable, update, weight } = plan.position;
  const isNew = seen.delivery.target !== stable && seen.delivery.target !== update;
  if (!update && !isNew) return undefined;
  const what = update
    ? `${update} stays at ${plan.traffic.effectiveWeight} %`
    : `${stable ?? 'nothing'} stays`;
  const asked = seen.api.spec.canaryWeight;
  const ignored =
    asked !== undefined && update && asked !== weight ? `; canaryWeight ${asked} is not applied` : '';
  const waits = isNew ? '; the changed spec is not delivered' : '';
  return {
    phase: 'Paused',
    reason: 'Paused',
    message: `paused: ${what}${ignored}${waits}`,
    verdict: 'Current',
  };
}

function migrating({ seen, plan, current }: Case): Summary | undefined {
  const { update } = plan.position;
  if (!update || (current && isMigrated(current))) return undefined;
  const migration = seen.migrations.get(update);
  if (migration?.state === 'Planned') return approvalNeeded(seen, plan, update);
  const trouble = migration?.error
    ? `; the last attempt failed and is retried with backoff: ${migration.error}`
    : '';
  return {
    phase: 'Migrating',
    reason: migration?.error ? 'MigrationRetrying' : 'Migrating',
    message: `waiting for the migrations of ${update}${phaseOf(migration)}${sinceStart(plan)}${trouble}${complaint(seen, update)}`,
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
function nothingYet({ seen, plan }: Case): Summary | undefined {
  if (plan.position.stable || plan.position.update) return undefined;
  return {
    phase: 'Pending',
    reason: 'NotStarted',
    message: `the delivery of ${seen.delivery.target} is about to start`,
    verdict: 'InProgress',
  };
}

function stableUnavailable({ seen, plan, since }: Case): Summary | undefined {
  const stable = unavailableStable(seen, plan);
  if (!stable) return undefined;
  return {
    phase: 'Degraded',
    reason: 'StableUnavailable',
    message: `no pod of the stable revision ${stable.name} is ready${since('StableUnavailable')}${complaint(seen, stable.name)}`,
    verdict: 'InProgress',
  };
}

/** The first revision is retained, because no other one can serve. It becomes Ready when its pods do. */
function deadlineExceeded({ seen, plan }: Case): Summary | undefined {
  const { overdue, position } = plan;
  if (!overdue) return undefined;
  return {
    phase: 'Degraded',
    reason: 'ProgressDeadlineExceeded',
    message: `${overdue}; ${position.update} is retained, because there is no stable revision to revert to${complaint(seen, position.update!)}`,
    verdict: 'Failed',
  };
}

function podsNotReady({ seen, plan, current, since }: Case): Summary | undefined {
  const wanted = plan.replicas[current?.name ?? ''] ?? 0;
  const have = current?.ready ?? 0;
  if (!current || have >= wanted) return undefined;
  const serving = plan.position.update === undefined;
  return {
    phase: serving ? 'Degraded' : 'Progressing',
    reason: 'PodsNotReady',
    message: `waiting for pods of ${current.name}${serving ? since('PodsNotReady') : sinceStart(plan)}: ${have} of ${wanted} ready${complaint(seen, current.name)}${serving ? kept(plan) : ''}`,
    verdict: 'InProgress',
  };
}

/** The Gateway routes no request to this PcfApi, regardless of its weights. */
function shadowed({ seen, since }: Case): Summary | undefined {
  const { api, liveRoute, hostConflicts } = seen;
  if (!isShadowed(api, liveRoute, hostConflicts)) return undefined;
  return {
    phase: 'Degraded',
    reason: 'HostConflict',
    message: `the gateway routes no requests to it${since('HostConflict')}: ${hostConflictMessage(hostConflicts)}`,
    verdict: 'InProgress',
  };
}

/** During a delivery. Otherwise the stable revision is the current one, which `podsNotReady` reports. */
function stableNotReady({ seen, plan, since }: Case): Summary | undefined {
  const stable = weakenedStable(seen, plan);
  if (!stable) return undefined;
  return {
    phase: 'Degraded',
    reason: 'PodsNotReady',
    message: `waiting for pods of the stable revision ${stable.name}${since('PodsNotReady')}: ${stable.ready} of ${plan.replicas[stable.name]} ready${complaint(seen, stable.name)}`,
    verdict: 'InProgress',
  };
}

function weightLimited({ plan, since }: Case): Summary | undefined {
  const { desiredWeight, effectiveWeight, reason } = plan.traffic;
  if (desiredWeight === effectiveWeight || plan.route?.byPods) return undefined;
  return {
    phase: 'Progressing',
    reason: 'WeightLimited',
    message: `the effective weight is ${effectiveWeight} %, the desired weight ${desiredWeight} %${since('WeightLimited')}: ${reason}`,
    verdict: 'InProgress',
  };
}

function routeNotVerified({ seen, plan, since }: Case): Summary | undefined {
  if (plan.traffic.verified || !plan.route) return undefined;
  const { routeRejected } = seen.delivery;
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

function canary({ plan }: Case): Summary | undefined {
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

function ready({ plan, current }: Case): Summary {
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
function kept({ traffic: { reason, verified, desiredWeight, effectiveWeight } }: DeliveryPlan): string {
  if (reason && effectiveWeight > desiredWeight)
    return `; other revisions keep ${effectiveWeight} % of the traffic: ${reason}`;
  return reason && verified ? `; ${reason}` : '';
}

function sinceStart(plan: DeliveryPlan): string {
  return plan.position.startedAt ? ` since ${plan.position.startedAt}` : '';
}

function complaint(seen: Observed, revision: string): string {
  const trouble = seen.trouble.get(revision);
  return trouble ? `; ${trouble}` : '';
}
