/** The steps of a delivery: their weights, what they wait for, and when the next one starts. */
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import { type DeliveryContext, withPosition } from './context.js';
import type { Decision, StepView } from './delivery-plan.js';
import type { Stage } from './delivery-spec.js';
import {
  announcedWait,
  isPromotionRequested,
  promotionWait,
  recordApproval,
  recordWait,
  withoutWait,
} from './manual-promotion.js';
import { pendingWorkers } from './planned-workers.js';
import { fullId } from './request-ids.js';
import { effectiveShare, shareOf } from './route-share.js';
import { capacityShare, replicaShares } from './weight.js';
import { weightBlock } from './weight-block.js';
import { windowFor } from './window-hold.js';

/** The weight to reach now: the requested one, limited while a window is closed. */
export function desiredWeight(context: DeliveryContext): number {
  return Math.min(requestedWeight(context), context.position.heldWeight ?? 100);
}

/**
 * The weight that the spec requests for the revision being delivered. A live `canaryWeight` overrides the steps. The
 * first revision, and an undo to a revision whose pods still run, get the whole traffic.
 */
export function requestedWeight({ position, spec }: DeliveryContext): number {
  const { stable, undo, step = 0, floor = 0 } = position;
  if (!stable || undo) return 100;
  if (spec.canaryWeight !== undefined) return spec.canaryWeight;
  return weightOf(spec.stages[step], floor);
}

function weightOf(stage: Stage | undefined, floor = 0): number {
  return stage ? Math.max(stage.weight, floor) : 100;
}

/** Whether the steps decide the weight now. */
function areStepsEffective({ position: { stable, undo }, spec }: DeliveryContext): boolean {
  return stable !== undefined && !undo && spec.canaryWeight === undefined;
}

/**
 * Another strategy starts at its first step with the effective share: a change of the strategy reverts no share,
 * and adds none that was desired and never effective.
 */
export function adoptStrategy({ observation, position, revisions, spec }: DeliveryContext): DeliveryPosition {
  const { strategy } = spec;
  if (!position.update || position.strategy === strategy) return position;
  if (!position.strategy) return { ...position, strategy };
  const { step, stepSince, ...rest } = withoutWait(position);
  const share = effectiveShare(observation.route, revisions, position.update);
  return { ...rest, strategy, floor: Math.min(position.weight ?? 0, share) };
}

/** Starts the next step if the current one waits for nothing. */
export function advanceStep(context: DeliveryContext): { position: DeliveryPosition; decisions: Decision[] } {
  const { update, step = 0 } = context.position;
  const of = context.spec.stages.length;
  if (!update || !hasStepsLeft(context)) return { position: withoutWait(context.position), decisions: [] };
  const raised = withPosition(context, withRaisedShare(context));
  if (isFullPromotionRequested(raised) && !nextStepWindow(raised)) return completeStep(raised, of, of);
  if (!isWeightEffective(raised)) return { position: raised.position, decisions: [] };
  const stepSince = raised.position.stepSince ?? new Date(context.now).toISOString();
  const reached = withPosition(raised, { ...raised.position, step, stepSince });
  if (!stepWaitsFor(reached)) return completeStep(reached, step + 1, of);
  const position = recordWait(reached, isPromotionAwaited(reached));
  return { position, decisions: announcedWait(context.position, position, of) };
}

/** A share that is raised during its step is a new one: hold and analysis restart when it is effective. */
function withRaisedShare(context: DeliveryContext): DeliveryPosition {
  const { weight = 0, stepSince, ...rest } = withoutWait(context.position);
  return weight < desiredWeight(context) ? { ...rest, weight } : context.position;
}

function completeStep(context: DeliveryContext, next: number, of: number) {
  const { position, by } = recordApproval(context);
  const { stepSince, ...rest } = position;
  const decision: Decision = {
    type: 'StepCompleted',
    revision: position.update!,
    step: position.step ?? 0,
    of,
    next,
    ...(by ? { by } : {}),
  };
  return { position: { ...rest, step: next }, decisions: [decision] };
}

/**
 * Whether the route that was read back gives the new revision the desired weight of the step. A route that its
 * Gateway rejects routes nothing, so no step starts, holds or is measured on it.
 */
function isWeightEffective(context: DeliveryContext): boolean {
  const { observation, spec } = context;
  if (observation.routeRejected !== undefined) return false;
  if (desiredWeight(context) < requestedWeight(context)) return false;
  const { canaryPods, replicas } = spec;
  const canary = context.canary!;
  // A canary with a fixed number of pods may lack the capacity for the desired weight.
  const desired = desiredWeight(context);
  const isFixed = typeof canaryPods === 'number' && desired < 100;
  const possible = isFixed ? Math.min(desired, capacityShare(canaryPods, replicas)) : desired;
  if (canaryPods === 'full' && canary.ready < replicas) return false;
  if (canary.ready === 0) return replicas === 0;
  if (spec.split === 'replicas' && possible > 0 && possible < 100)
    return canary.ready >= replicaShares(replicas, possible).update;
  // Pods from an earlier, higher weight may have capacity for more than the fixed number has.
  const share = shareOf(observation.route, canary.name);
  return share >= possible && share <= desired;
}

/** What the step waits for; undefined if the next one can start. */
function stepWaitsFor(context: DeliveryContext): string | undefined {
  const stage = context.spec.stages[context.position.step ?? 0]!;
  if (isFullPromotionRequested(context)) return nextStepWindow(context);
  const leftMs = holdLeftMs(context, stage);
  if (leftMs > 0) return `the hold of ${durationText(stage.holdMs)} to end`;
  const verdict = stepVerdict(context);
  if (verdict) return verdict;
  if (isPromotionAwaited(context)) return promotionWait(context).waitingFor;
  return nextStepWindow(context);
}

/** Whether the step waits for its manual promotion only, or for a window after that. */
function isPromotionAwaited(context: DeliveryContext): boolean {
  const stage = context.spec.stages[context.position.step ?? 0]!;
  if (!stage.pause || isPromotionRequested(context) || isFullPromotionRequested(context)) return false;
  return holdLeftMs(context, stage) <= 0 && !stepVerdict(context);
}

/** The window that the next weight waits for, if it is higher: all remaining steps are skipped by a full promotion. */
function nextStepWindow(context: DeliveryContext): string | undefined {
  const { position, spec } = context;
  const next = isFullPromotionRequested(context) ? undefined : spec.stages[(position.step ?? 0) + 1];
  const isHigher = weightOf(next, position.floor) > desiredWeight(context);
  return isHigher ? windowFor(context, 'Weight') : undefined;
}

/** The pending verdict of the analysis on this step. One on an earlier step, with a smaller share, does not count. */
function stepVerdict({ observation: { analysis }, position }: DeliveryContext): string | undefined {
  if (!analysis) return undefined;
  if (analysis.stepSince !== position.stepSince) return 'the analysis: no measurement at this step yet';
  return analysis.verdict === 'Passed' ? undefined : `the analysis: ${analysis.message}`;
}

/**
 * The pending verdict of the analysis on the promotion. If the steps were judged one by one, only an unavailable
 * provider blocks it.
 */
function promotionVerdict(context: DeliveryContext): string | undefined {
  const { analysis } = context.observation;
  if (!analysis || isFullPromotionRequested(context)) return undefined;
  const isJudgedByStep = context.spec.stages.length > 0 && areStepsEffective(context);
  const { verdict, message } = analysis;
  if (isJudgedByStep ? verdict !== 'Unavailable' : verdict === 'Passed') return undefined;
  return `the analysis: ${message}; or: kubectl pcf promote --full`;
}

/** What the promotion waits for once the new revision has the whole traffic; undefined if it can be promoted. */
export function promotionWaitsFor(context: DeliveryContext): string | undefined {
  return promotionVerdict(context) ?? pendingWorkers(context) ?? windowFor(context, 'Promotion');
}

export function hasStepsLeft(context: DeliveryContext): boolean {
  return areStepsEffective(context) && (context.position.step ?? 0) < context.spec.stages.length;
}

/** Never longer than the hold, even if a clock was set back. */
function holdLeftMs({ position: { stepSince }, now }: DeliveryContext, { holdMs }: Stage): number {
  if (!stepSince) return holdMs;
  return Math.min(holdMs, Date.parse(stepSince) + holdMs - now);
}

/** Whether the remaining steps are to be skipped. */
function isFullPromotionRequested({ position, spec: { requests } }: DeliveryContext): boolean {
  return requests.promote !== undefined && requests.promote === fullId(position);
}

/** The step for the status, and when to plan again. */
export function stepView(context: DeliveryContext): { step?: StepView; wakeMs?: number } {
  const { canary, stable, observation, position, recorded, spec } = context;
  const { step: index = 0, stepSince: since } = position;
  const of = spec.stages.length;
  if (!canary || of === 0 || !stable || position.undo) return {};
  const base = { index, of, weight: requestedWeight(context), ...(since ? { since } : {}) };
  const block = weightBlock(context);
  if (block) return { step: { ...base, waitingFor: block.waitingFor } };
  if (!areStepsEffective(context)) {
    const waitingFor = `canaryWeight ${spec.canaryWeight} to be removed from spec: it overrides the steps`;
    return { step: { ...base, waitingFor } };
  }
  const stage = spec.stages[index];
  if (!stage) return { step: base };
  const isHeld = desiredWeight(context) < requestedWeight(context);
  const pending = (isHeld && windowFor(context, 'Weight')) || 'its weight to take effect';
  const waitingFor = since ? stepWaitsFor(context) : pending;
  const leftMs = since ? Math.max(holdLeftMs(context, stage), linksLeftMs(context)) : 0;
  // The analysis reads the start of a step from the recorded position, and starts to measure then.
  const isAnalysisPending = since !== recorded.stepSince && observation.analysis !== undefined;
  return {
    step: { ...base, ...(waitingFor ? { waitingFor } : {}) },
    ...(isAnalysisPending ? { wakeMs: 0 } : leftMs > 0 ? { wakeMs: leftMs } : {}),
  };
}

/** Time until the approval links of the step expire, which its message reports. In milliseconds; 0 if it has none. */
function linksLeftMs(context: DeliveryContext): number {
  return isPromotionAwaited(context) ? (promotionWait(context).changesInMs ?? 0) : 0;
}

function durationText(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000}m` : `${ms / 1000}s`;
}
