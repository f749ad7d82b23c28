/** The steps of a delivery: which share they ask for, what they wait for, and when the next one begins. */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import type { Decision, StepView } from './delivery-plan.js';
import type { DeliverySettings, Stage } from './delivery-spec.js';
import type { Observation } from './observation.js';
import { fullId, stepId } from './request-ids.js';
import { view } from './revision-view.js';
import { shareInForce, shareOf } from './route-share.js';
import { carries, replicaShares } from './weight.js';

/**
 * The share asked for the revision on its way. A live `canaryWeight` is in force
 * whatever the steps say; nothing is held back on the way to the first stable
 * revision, nor on the way back to one whose pods still run.
 */
export function askedWeight(
  { stable, undo, step = 0, floor = 0 }: DeliveryPosition,
  settings: DeliverySettings,
): number {
  if (!stable || undo) return 100;
  if (settings.canaryWeight !== undefined) return settings.canaryWeight;
  const stage = settings.stages[step];
  return stage ? Math.max(stage.weight, floor) : 100;
}

/** Whether the steps decide on the weight at this moment. */
function stepsDrive({ stable, undo }: DeliveryPosition, settings: DeliverySettings): boolean {
  return stable !== undefined && !undo && settings.canaryWeight === undefined;
}

/**
 * Another strategy begins at its first step, with the share that is in force: a change of
 * strategy takes no traffic back, and gives none that was asked for and never reached.
 */
export function adoptStrategy(
  seen: Observation,
  position: DeliveryPosition,
  settings: DeliverySettings,
): DeliveryPosition {
  const { strategy } = settings;
  if (!position.update || position.strategy === strategy) return position;
  if (!position.strategy) return { ...position, strategy };
  const { step, stepSince, ...rest } = position;
  return { ...rest, strategy, floor: Math.min(position.weight ?? 0, shareInForce(seen, position.update)) };
}

/** Goes on to the next step, as far as what it waits for is there. */
export function advanceStep(
  seen: Observation,
  before: DeliveryPosition,
  settings: DeliverySettings,
  now: number,
): { position: DeliveryPosition; decisions: Decision[] } {
  const { update, step = 0 } = before;
  const of = settings.stages.length;
  if (!update || !hasStepsLeft(before, settings)) return { position: before, decisions: [] };
  const position = withRaisedShare(before, settings);
  if (isAskedInFull(position, settings)) return goTo(position, of, of);
  if (!inForce(seen, position, settings)) return { position, decisions: [] };
  const reached = { ...position, step, stepSince: position.stepSince ?? new Date(now).toISOString() };
  if (waits(seen, reached, settings, now)) return { position: reached, decisions: [] };
  return goTo(reached, step + 1, of);
}

/** A share that is raised in the middle of its step is a new one: it is held and judged from when it is in force. */
function withRaisedShare(position: DeliveryPosition, settings: DeliverySettings): DeliveryPosition {
  const { weight = 0, stepSince, ...rest } = position;
  return weight < askedWeight(position, settings) ? { ...rest, weight } : position;
}

function goTo(position: DeliveryPosition, step: number, of: number) {
  const { stepSince, ...rest } = position;
  const decision: Decision = {
    type: 'StepCompleted',
    revision: position.update!,
    step: position.step ?? 0,
    of,
    next: step,
  };
  return { position: { ...rest, step }, decisions: [decision] };
}

/** Whether the route that was read back gives the new revision what the step asks for. */
function inForce(seen: Observation, position: DeliveryPosition, settings: DeliverySettings): boolean {
  const { update } = position;
  const { canaryPods, replicas } = settings;
  // A canary with a fixed number of pods may never carry what is asked: then it has all it can get.
  const wanted = askedWeight(position, settings);
  const isFixed = typeof canaryPods === 'number' && wanted < 100;
  const asked = isFixed ? Math.min(wanted, carries(canaryPods, replicas)) : wanted;
  const canary = view(seen, update!);
  if (canaryPods === 'full' && canary.ready < replicas) return false;
  if (canary.ready === 0) return replicas === 0;
  if (settings.split === 'replicas' && asked > 0 && asked < 100)
    return canary.ready >= replicaShares(replicas, asked).update;
  // Pods of its that the route led to before may carry more than it was to have by itself.
  const share = shareOf(seen.route, update);
  return share >= asked && share <= wanted;
}

/** What the step waits for, in words; undefined when it waits for nothing. */
function waits(
  seen: Observation,
  position: DeliveryPosition,
  settings: DeliverySettings,
  now: number,
): string | undefined {
  const { step = 0 } = position;
  const stage = settings.stages[step]!;
  const leftMs = holdLeftMs(position, stage, now);
  if (leftMs > 0) return `the hold of ${seconds(stage.holdMs)} to end`;
  const judging = judges(seen, position);
  if (judging) return judging;
  if (stage.pause && !released(position, settings)) return `somebody to continue: kubectl pcf promote`;
  return undefined;
}

/** What the analysis has yet to say of this step. What it said of an earlier one, with a smaller share, does not count. */
function judges({ analysis }: Observation, { stepSince }: DeliveryPosition): string | undefined {
  if (!analysis) return undefined;
  if (analysis.stepSince !== stepSince) return 'the analysis: nothing was measured at this step yet';
  return analysis.verdict === 'Passed' ? undefined : `the analysis: ${analysis.message}`;
}

/**
 * What the analysis has yet to say before the promotion, in words. Steps were judged one
 * by one; where none did, all depends on it. A provider that is away never promotes.
 */
export function awaitedVerdict(
  { analysis }: Observation,
  position: DeliveryPosition,
  settings: DeliverySettings,
): string | undefined {
  if (!analysis || isAskedInFull(position, settings)) return undefined;
  const isJudgedByStep = settings.stages.length > 0 && stepsDrive(position, settings);
  const { verdict, message } = analysis;
  if (isJudgedByStep ? verdict !== 'Unavailable' : verdict === 'Passed') return undefined;
  return `the analysis: ${message}; or: kubectl pcf promote --full`;
}

/** Whether steps are left that must be done first. */
export function hasStepsLeft(position: DeliveryPosition, settings: DeliverySettings): boolean {
  return stepsDrive(position, settings) && (position.step ?? 0) < settings.stages.length;
}

/** A clock that was set back must not hold longer than was asked. */
function holdLeftMs({ stepSince }: DeliveryPosition, { holdMs }: Stage, now: number): number {
  if (!stepSince) return holdMs;
  return Math.min(holdMs, Date.parse(stepSince) + holdMs - now);
}

function released(position: DeliveryPosition, { requests }: DeliverySettings): boolean {
  return requests.promote === stepId(position);
}

/** Somebody wants all that is left to be skipped. */
export function isAskedInFull(position: DeliveryPosition, { requests }: DeliverySettings): boolean {
  return requests.promote !== undefined && requests.promote === fullId(position);
}

/** The step for people, and when to look again. */
export function stepView(
  seen: Observation,
  position: DeliveryPosition,
  settings: DeliverySettings,
  now: number,
): { step?: StepView; wakeMs?: number } {
  const { update, step: index = 0, stepSince: since } = position;
  const of = settings.stages.length;
  if (!update || of === 0 || !position.stable || position.undo) return {};
  const weight = askedWeight(position, settings);
  const base = { index, of, weight, ...(since ? { since } : {}) };
  if (!stepsDrive(position, settings)) {
    const waitingFor = `canaryWeight ${settings.canaryWeight} to be taken out of spec: it is in force instead of the steps`;
    return { step: { ...base, waitingFor } };
  }
  const stage = settings.stages[index];
  if (!stage) return { step: base };
  const waitingFor = since ? waits(seen, position, settings, now) : 'its weight to be in force';
  const leftMs = since ? holdLeftMs(position, stage, now) : 0;
  // The analysis learns of a step that begins from what is on record, and begins to measure then.
  const isToMeasure = since !== seen.position.stepSince && seen.analysis !== undefined;
  return {
    step: { ...base, ...(waitingFor ? { waitingFor } : {}) },
    ...(isToMeasure ? { wakeMs: 0 } : leftMs > 0 ? { wakeMs: leftMs } : {}),
  };
}

function seconds(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000}m` : `${ms / 1000}s`;
}
