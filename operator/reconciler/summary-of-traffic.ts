/** Summaries of the traffic: aborted or paused deliveries, held steps, and a canary in progress. */
import type { Reason } from '../api/v1alpha1/reasons.js';
import type { HeldStep } from '../delivery/delivery-plan.js';
import { schemaMessage } from '../delivery/schema-check.js';
import { remainingTraffic, type Summary, type SummaryInput } from './summary-rule.js';

export function aborted({ observed, plan }: SummaryInput): Summary | undefined {
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

export function paused({ observed, plan }: SummaryInput): Summary | undefined {
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

/** The weight stays at 0 until the changes are approved. */
export function schemaInUse({ observed, plan, since }: SummaryInput): Summary | undefined {
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
export function jobsIncompatible({ plan, since }: SummaryInput): Summary | undefined {
  const { jobsIncompatible: message, position } = plan;
  if (!message) return undefined;
  return {
    phase: 'Canary',
    reason: 'JobsIncompatible',
    message: `the weight of ${position.update} stays at 0${since('JobsIncompatible')}: ${message}; first release an image whose jobs both revisions can process, or disable components.worker.canary: the workers then switch at the promotion`,
    verdict: 'InProgress',
  };
}

/** Current, as while paused: a freeze of weeks is not a delivery that makes no progress. */
export function windowClosed({ observed, plan }: SummaryInput): Summary | undefined {
  const { held, traffic } = plan;
  if (!held) return undefined;
  if (observed.gate?.unmeasured.includes(held.step)) return freezeNotMeasured(held);
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

export function weightLimited({ plan, since }: SummaryInput): Summary | undefined {
  const { desiredWeight, effectiveWeight, reason } = plan.traffic;
  if (desiredWeight === effectiveWeight || plan.route?.byPods) return undefined;
  return {
    phase: 'Progressing',
    reason: 'WeightLimited',
    message: `the effective weight is ${effectiveWeight} %, the desired weight ${desiredWeight} %${since('WeightLimited')}: ${reason}`,
    verdict: 'InProgress',
  };
}

export function routeNotVerified({ observed, plan, since }: SummaryInput): Summary | undefined {
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

export function canaryInProgress({ plan }: SummaryInput): Summary | undefined {
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

/** A reason of its own, so that neither an Event nor a condition reports a freeze before it is known whether there is one. */
function freezeNotMeasured({ step, revision, waitingFor }: HeldStep): Summary {
  return {
    phase: 'Progressing',
    reason: 'FreezeNotMeasured',
    message: `the step ${step} of ${revision} waits for the first measurement of freezeWhen: ${waitingFor}`,
    verdict: 'InProgress',
  };
}
