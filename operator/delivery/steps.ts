/** The steps of a delivery: which share they ask for, what they wait for, and when the next one begins. */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import { deliveryId, shareOf, view } from './revisions.js';
import type { Decision, DeliverySettings, Observation, Stage, StepView } from './types.js';
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

/** Another strategy begins at its first step, with the share that was reached: a change of strategy takes no traffic back. */
export function adoptStrategy(position: DeliveryPosition, settings: DeliverySettings): DeliveryPosition {
  const { strategy } = settings;
  if (!position.update || position.strategy === strategy) return position;
  const { step, stepSince, ...rest } = position;
  return position.strategy ? { ...rest, strategy, floor: position.weight } : { ...position, strategy };
}

/** Goes on to the next step, as far as what it waits for is there. */
export function advanceStep(
  seen: Observation,
  position: DeliveryPosition,
  settings: DeliverySettings,
  now: number,
): { position: DeliveryPosition; decisions: Decision[] } {
  const { update, step = 0 } = position;
  const of = settings.stages.length;
  if (!update || step >= of || !stepsDrive(position, settings)) return { position, decisions: [] };
  if (settings.requests.promote === `${deliveryId(position)}/full`) return goTo(position, of, of);
  if (!inForce(seen, position, settings)) return { position, decisions: [] };
  const stepSince = position.stepSince ?? new Date(now).toISOString();
  const reached = { ...position, step, stepSince };
  if (waits(seen, reached, settings, now)) return { position: reached, decisions: [] };
  return goTo(reached, step + 1, of);
}

function goTo(position: DeliveryPosition, step: number, of: number) {
  const { stepSince, ...rest } = position;
  const decision: Decision = {
    type: 'StepDone',
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
  if (seen.analysis && seen.analysis.verdict !== 'Passed') return `the analysis: ${seen.analysis.message}`;
  if (stage.pause && !released(position, settings)) return `somebody to go on: kubectl pcf promote`;
  return undefined;
}

/** A clock that was set back must not hold longer than was asked. */
function holdLeftMs({ stepSince }: DeliveryPosition, { holdMs }: Stage, now: number): number {
  if (!stepSince) return holdMs;
  return Math.min(holdMs, Date.parse(stepSince) + holdMs - now);
}

/** A request to go on from one step is no request to go on from a later one. */
function released(position: DeliveryPosition, { requests }: DeliverySettings): boolean {
  return requests.promote === `${deliveryId(position)}/${position.step ?? 0}`;
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
  return {
    step: { ...base, ...(waitingFor ? { waitingFor } : {}) },
    ...(leftMs > 0 ? { wakeMs: leftMs } : {}),
  };
}

function seconds(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000}m` : `${ms / 1000}s`;
}
