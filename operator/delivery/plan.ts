/**
 * The heart: given what is and what was asked, what must be now. Pure, so every
 * crash point is just another observation.
 *
 * All strategies are one: two revisions, their pods and a weight. Order of a
 * delivery: migrations, pods, ready, weight, promotion.
 */
import { advance } from './advance.js';
import { deadlineLeftMs } from './failure.js';
import { pods } from './pods.js';
import { retire } from './retire.js';
import { routing } from './routing.js';
import { stepView } from './steps.js';
import type { DeliveryPlan, DeliverySettings, Observation } from './types.js';

export { deliveryId, migrated } from './revisions.js';
export { sameRoute } from './routing.js';

/** Plans one PcfApi. `now` is in milliseconds since the epoch. */
export function plan(seen: Observation, settings: DeliverySettings, now: number): DeliveryPlan {
  const { position, decisions } = advance(seen, settings, now);
  const { route, traffic } = routing(seen, position, settings);
  const { replicas, retiring, wakeMs } = retire(seen, position, route, settings, now);
  const { step, wakeMs: stepMs } = stepView(seen, position, settings, now);
  const settlingMs = Math.max(0, settings.settleMs - seen.routeAgeMs);
  const running = pods(seen, position, route, settings, settlingMs === 0);
  const waitsToSettle = settlingMs > 0 && !samePods(running, pods(seen, position, route, settings, true));
  const deadline = deadlineLeftMs(seen, position, settings, now);
  return {
    position: { ...position, retiring: retiring.length > 0 ? retiring : undefined },
    migrate: settings.paused ? undefined : position.update,
    replicas: { ...replicas, ...running },
    route,
    traffic,
    step,
    decisions,
    requeueAfterMs: soonest(wakeMs, stepMs, waitsToSettle ? settlingMs : undefined, deadline),
  };
}

function samePods(a: Record<string, number>, b: Record<string, number>): boolean {
  return [...Object.keys(a), ...Object.keys(b)].every((name) => a[name] === b[name]);
}

function soonest(...waits: (number | undefined)[]): number | undefined {
  const known = waits.filter((wait) => wait !== undefined);
  return known.length > 0 ? Math.max(0, Math.min(...known)) : undefined;
}
