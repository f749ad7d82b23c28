/**
 * The heart: given what is and what was asked, what must be now. Pure, so every
 * crash point is just another observation.
 *
 * All strategies are one: two revisions, their pods and a weight. Order of a
 * delivery: expand and backfill, pods, ready, weight, promotion, soak, contract.
 */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import { advance } from './advance.js';
import { contract } from './contract.js';
import type { Decision, DeliveryPlan } from './delivery-plan.js';
import type { DeliverySettings } from './delivery-spec.js';
import type { Observation } from './observation.js';
import { pods } from './planned-replicas.js';
import { neededApproval, preparation, seenAfresh } from './preparation.js';
import { deadlineLeftMs, deadlineMessage } from './progress-deadline.js';
import { withContractOnRecord, withRecords } from './recorded-position.js';
import { isLost, recover } from './recover.js';
import { retire } from './retire.js';
import { belowFloor, noteSchema } from './rollback-floor.js';
import { routing } from './routing.js';
import { awaitedVerdict, hasStepsLeft, stepView } from './steps.js';

export { recordedAt, recordOf } from './recorded-position.js';
export { deliveryId, fullId, stepId, wayBack } from './request-ids.js';
export { migrated } from './revision-view.js';
export { inEffect, sameRoute } from './routing.js';

/** Plans one PcfApi. `now` is in milliseconds since the epoch. */
export function plan(observed: Observation, settings: DeliverySettings, now: number): DeliveryPlan {
  const restored = withContractOnRecord(observed);
  const wasLost = isLost(restored);
  const known = wasLost ? withRecords(restored) : restored;
  const recovering = wasLost ? recover(known, settings, now) : undefined;
  if (recovering) return recovering;
  const noted = { ...known, position: noteSchema(known, now) };
  const advanced = advance(seenAfresh(noted, noted.position), settings, now);
  const seen = seenAfresh(noted, advanced.position);
  const contracting = contract(seen, advanced.position, settings, now);
  const { position } = contracting;
  const { route, routeWaitsFor, traffic } = routing(seen, position, settings);
  const { step, wakeMs: stepMs } = stepView(seen, position, settings, now);
  const settlingMs = Math.max(0, settings.settleMs - seen.routeAgeMs);
  const running = pods(seen, position, route, settings, settlingMs === 0);
  const { replicas, retiring, wakeMs } = retire(seen, position, route, settings, running, now);
  const waitsToSettle = settlingMs > 0 && !samePods(running, pods(seen, position, route, settings, true));
  const deadlineMs = deadlineLeftMs(seen, position, settings, now);
  const isOverdue = deadlineMs !== undefined && deadlineMs <= 0;
  return {
    position: { ...position, retiring: retiring.length > 0 ? retiring : undefined },
    migrate: settings.paused ? undefined : position.update,
    job: preparation(seen, position, settings) ?? contracting.job,
    ...(contracting.waitingFor
      ? { contract: { waitingFor: contracting.waitingFor, at: contracting.at } }
      : {}),
    approval: neededApproval(seen, position, settings) ?? contracting.approval,
    refused: belowFloor(seen.revisions, position, seen.target),
    replicas: { ...replicas, ...running },
    route,
    ...(routeWaitsFor ? { routeWaitsFor } : {}),
    traffic,
    step,
    promotionWaitsFor: awaited(seen, position, settings),
    ...(isOverdue ? { overdue: deadlineMessage(seen, position, settings) } : {}),
    decisions: [...advanced.decisions, ...begunNow(seen, position)],
    requeueAfterMs: soonest(
      wakeMs,
      stepMs,
      contracting.wakeMs,
      waitsToSettle ? settlingMs : undefined,
      // An expired deadline needs no requeue: only an event can change the plan.
      isOverdue ? undefined : deadlineMs,
    ),
  };
}

function awaited(
  seen: Observation,
  position: DeliveryPosition,
  settings: DeliverySettings,
): string | undefined {
  const { update, weight = 0 } = position;
  if (!update || weight < 100 || hasStepsLeft(position, settings)) return undefined;
  return awaitedVerdict(seen, position, settings);
}

function begunNow(seen: Observation, { contracted }: DeliveryPosition): Decision[] {
  const before = seen.position.contracted;
  if (!contracted || (before && before.at === contracted.at)) return [];
  const migrations = contracted.migrations.filter((migration) => !before?.migrations.includes(migration));
  return [{ type: 'ContractStarted', revision: contracted.revision, migrations }];
}

function samePods(a: Record<string, number>, b: Record<string, number>): boolean {
  return [...Object.keys(a), ...Object.keys(b)].every((name) => a[name] === b[name]);
}

function soonest(...waits: (number | undefined)[]): number | undefined {
  const known = waits.filter((wait) => wait !== undefined);
  return known.length > 0 ? Math.max(0, Math.min(...known)) : undefined;
}
