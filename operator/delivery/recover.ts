/**
 * A position that is lost, as after a restore from a backup or a replaced status, is recovered from
 * the cluster: the route as it was read back, and the pods and records of revisions.
 */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import { startDelivery } from './advance.js';
import type { Decision, DeliveryPlan } from './delivery-plan.js';
import type { DeliverySettings } from './delivery-spec.js';
import type { Observation, RevisionView } from './observation.js';
import { migrated } from './revision-view.js';
import { belowFloor } from './rollback-floor.js';
import { shareInForce, shareOf, withShares } from './route-share.js';

/**
 * Only records the recovered position. Route and pods do not change until it is recorded, so that
 * nothing is promoted or deleted because a status is missing. Undefined if no stable revision is found.
 */
export function recover(
  seen: Observation,
  settings: DeliverySettings,
  now: number,
): DeliveryPlan | undefined {
  const stable = stableOf(seen);
  if (stable === undefined) return undefined;
  const { position, decisions } = recoverPosition(seen, stable, settings, now);
  const running = seen.revisions.filter(({ name, replicas }) => replicas > 0 || name === stable);
  const share = shareInForce(seen, position.update);
  return {
    position,
    decisions,
    migrate: settings.paused ? undefined : position.update,
    replicas: Object.fromEntries(running.map(({ name, replicas }) => [name, replicas])),
    route: seen.route && withShares(seen, seen.route, stable),
    // A route of another provider, which is not read, may route the traffic.
    ...(seen.route ? {} : { routeWaitsFor: 'the record of the position of the delivery' }),
    traffic: { desiredWeight: share, effectiveWeight: share, verified: true },
    requeueAfterMs: 0,
  };
}

/**
 * Whether the status names no existing revision, or an old one that the schema no longer supports
 * while another one has the traffic. An aborted first revision is not a loss.
 */
export function isLost(seen: Observation): boolean {
  const { position, revisions } = seen;
  const { stable, update, failed } = position;
  if (!stable) return !update && !failed;
  if (!revisions.some(({ name }) => name === stable)) return true;
  if (!belowFloor(revisions, position, stable)) return false;
  const serving = stableOf(seen);
  return serving !== undefined && serving !== stable;
}

/** The target continues as a delivery, with the share that it has; also while paused, or its pods would be retired. */
function recoverPosition(
  seen: Observation,
  stable: string,
  settings: DeliverySettings,
  now: number,
): { position: DeliveryPosition; decisions: Decision[] } {
  const { knownMigrations, contracted, failed } = seen.position;
  const position: DeliveryPosition = {
    stable,
    // The time of its promotion is lost: its soak starts from scratch.
    promotedAt: new Date(now).toISOString(),
    ...(knownMigrations ? { knownMigrations } : {}),
    ...(contracted ? { contracted } : {}),
    ...(failed && stable !== seen.target ? { failed } : {}),
  };
  const target = seen.revisions.find(({ name }) => name === seen.target);
  const waits = settings.paused && !target?.replicas;
  const isRefused = position.failed !== undefined || belowFloor(seen.revisions, position, seen.target);
  if (stable === seen.target || waits || isRefused) return { position, decisions: [] };
  const started = startDelivery({ ...seen, position }, position, settings, now);
  const share = shareInForce(seen, seen.target);
  return { ...started, position: { ...started.position, floor: share, weight: share } };
}

function stableOf(seen: Observation): string | undefined {
  const { route, target } = seen;
  // A foreign edit of the route may give a share to a revision that never served: it is not stable.
  const shares = seen.revisions.filter(
    (view) => shareOf(route, view.name) > 0 && (view.replicas > 0 || migrated(view)),
  );
  // The header names the new revision; without a header the spec describes it.
  const update = route?.header ?? (shares.length === 1 ? undefined : target);
  const served = shares.filter(({ name }) => name !== update);
  if (served.length > 0) return mostLikely(served, ({ name }) => shareOf(route, name));
  const others = seen.revisions.filter(({ name, replicas }) => replicas > 0 && name !== (update ?? target));
  return mostLikely(others, ({ ready }) => Math.min(1, ready)) ?? shares[0]?.name;
}

/** The revision with the highest rank; the newest one if several have it. */
function mostLikely(revisions: RevisionView[], rank: (view: RevisionView) => number): string | undefined {
  return revisions.toSorted((a, b) => rank(b) - rank(a) || (b.number ?? 0) - (a.number ?? 0))[0]?.name;
}
