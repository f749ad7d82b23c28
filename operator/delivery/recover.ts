/**
 * A position that is lost, as after a restore from a backup or a replaced status, is recovered from
 * the cluster: the route as it was read back, and the pods and records of revisions.
 */
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import { type Advance, startDelivery } from './advance.js';
import { createContext, type DeliveryContext } from './context.js';
import type { DeliveryPlan } from './delivery-plan.js';
import type { Observation, RevisionView } from './observation.js';
import { runningWorkers } from './planned-workers.js';
import { isMigrated } from './revision-view.js';
import { belowFloorMessage } from './rollback-floor.js';
import { effectiveShare, shareOf, withPodShares } from './route-share.js';

/**
 * Only records the recovered position. Route and pods do not change until it is recorded, so that
 * nothing is promoted or deleted because a status is missing. Undefined if no stable revision is found.
 */
export function recover(context: DeliveryContext): DeliveryPlan | undefined {
  const { observation, spec } = context;
  const { route, revisions } = observation;
  const stable = findStable(observation);
  if (stable === undefined) return undefined;
  const { position, decisions } = recoverPosition(context, stable);
  const running = revisions.filter(({ name, replicas }) => replicas > 0 || name === stable);
  const share = effectiveShare(route, revisions, position.update);
  return {
    position,
    decisions,
    migrate: spec.paused ? undefined : position.update,
    replicas: Object.fromEntries(running.map(({ name, replicas }) => [name, replicas])),
    workers: runningWorkers(revisions),
    route: route && withPodShares(route, revisions, stable),
    // A route of another provider, which is not read, may route the traffic.
    ...(route ? {} : { routeWaitsFor: 'the record of the position of the delivery' }),
    traffic: { desiredWeight: share, effectiveWeight: share, verified: true },
    requeueAfterMs: 0,
  };
}

/**
 * Whether the position names no existing revision, or an old one that the schema no longer supports
 * while another one has the traffic. An aborted first revision is not a loss.
 */
export function isLost(observation: Observation, position: DeliveryPosition): boolean {
  const { revisions } = observation;
  const { stable, update, failed } = position;
  if (!stable) return !update && !failed;
  if (!revisions.some(({ name }) => name === stable)) return true;
  if (!belowFloorMessage(revisions, position, stable)) return false;
  const serving = findStable(observation);
  return serving !== undefined && serving !== stable;
}

/** The target continues as a delivery with its share, even while paused: otherwise its pods would be retired. */
function recoverPosition({ observation, spec, recorded, now }: DeliveryContext, stable: string): Advance {
  const { knownMigrations, contracted, failed } = recorded;
  const { route, revisions, target } = observation;
  const position: DeliveryPosition = {
    stable,
    // The time of its promotion is lost: its soak starts from scratch.
    promotedAt: new Date(now).toISOString(),
    ...(knownMigrations ? { knownMigrations } : {}),
    ...(contracted ? { contracted } : {}),
    ...(failed && stable !== target ? { failed } : {}),
  };
  const waits = spec.paused && !revisions.find(({ name }) => name === target)?.replicas;
  const isRefused = position.failed !== undefined || belowFloorMessage(revisions, position, target);
  if (stable === target || waits || isRefused) return { position, decisions: [] };
  const started = startDelivery(createContext(observation, spec, position, now));
  const share = effectiveShare(route, revisions, target);
  return { ...started, position: { ...started.position, floor: share, weight: share } };
}

function findStable({ route, target, revisions }: Observation): string | undefined {
  // A foreign edit of the route may give a share to a revision that never served: it is not stable.
  const routed = revisions.filter(
    (revision) => shareOf(route, revision.name) > 0 && (revision.replicas > 0 || isMigrated(revision)),
  );
  // The header names the new revision; without a header the spec describes it.
  const update = route?.header ?? (routed.length === 1 ? undefined : target);
  const served = routed.filter(({ name }) => name !== update);
  if (served.length > 0) return mostLikely(served, ({ name }) => shareOf(route, name));
  const others = revisions.filter(({ name, replicas }) => replicas > 0 && name !== (update ?? target));
  return mostLikely(others, ({ ready }) => Math.min(1, ready)) ?? routed[0]?.name;
}

/** The revision with the highest rank; the newest one if several have it. */
function mostLikely(revisions: RevisionView[], rank: (view: RevisionView) => number): string | undefined {
  return revisions.toSorted((a, b) => rank(b) - rank(a) || (b.number ?? 0) - (a.number ?? 0))[0]?.name;
}
