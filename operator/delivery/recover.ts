/**
 * A position that is lost, as after a restore from a backup or a replaced status, is recovered from
 * what is in the cluster: the route as it was read back, and the pods and records of revisions.
 */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import { startDelivery } from './advance.js';
import { migrated, shareInForce, shareOf } from './revisions.js';
import type { Decision, DeliveryPlan, DeliverySettings, Observation, RevisionView } from './types.js';

/**
 * Only puts the recovered position on record. Route and pods stay as they are until it is, so that
 * nothing is promoted or deleted for want of a status. Undefined: there is nothing to recover.
 */
export function recover(
  seen: Observation,
  settings: DeliverySettings,
  now: number,
): DeliveryPlan | undefined {
  const stable = isLost(seen) ? stableOf(seen) : undefined;
  if (stable === undefined) return undefined;
  const { position, decisions } = recoverPosition(seen, stable, settings, now);
  const running = seen.revisions.filter(({ name, replicas }) => replicas > 0 || name === stable);
  const share = shareInForce(seen, position.update);
  return {
    position,
    decisions,
    migrate: settings.paused ? undefined : position.update,
    replicas: Object.fromEntries(running.map(({ name, replicas }) => [name, replicas])),
    route: seen.route,
    traffic: { desiredWeight: share, effectiveWeight: share, verified: true },
    requeueAfterMs: 0,
  };
}

/** Whether status names no revision that is there. A first revision that was aborted is no loss. */
function isLost({ position, revisions }: Observation): boolean {
  const { stable, update, failed } = position;
  if (stable) return !revisions.some(({ name }) => name === stable);
  return !update && !failed;
}

/** The target continues as a delivery, with the share that it has; also while paused, or its pods would be retired. */
function recoverPosition(
  seen: Observation,
  stable: string,
  settings: DeliverySettings,
  now: number,
): { position: DeliveryPosition; decisions: Decision[] } {
  // When it was promoted is not known: its soak starts from scratch.
  const position = { stable, promotedAt: new Date(now).toISOString() };
  const target = seen.revisions.find(({ name }) => name === seen.target);
  const waits = settings.paused && !target?.replicas;
  if (stable === seen.target || waits) return { position, decisions: [] };
  const started = startDelivery({ ...seen, position }, position, settings, now);
  const share = shareInForce(seen, seen.target);
  return { ...started, position: { ...started.position, floor: share, weight: share } };
}

function stableOf(seen: Observation): string | undefined {
  const { route, target } = seen;
  // A share that is another's edit makes no revision stable that never served.
  const shares = seen.revisions.filter(
    (view) => shareOf(route, view.name) > 0 && (view.replicas > 0 || migrated(view)),
  );
  // The header names the new revision; without it the new one is what the spec describes.
  const update = route?.header ?? (shares.length === 1 ? undefined : target);
  const served = shares.filter(({ name }) => name !== update);
  if (served.length > 0) return mostLikely(served, ({ name }) => shareOf(route, name));
  const others = seen.revisions.filter(({ name, replicas }) => replicas > 0 && name !== (update ?? target));
  return mostLikely(others, ({ ready }) => Math.min(1, ready)) ?? shares[0]?.name;
}

/** The highest in rank; of several the newest on record. */
function mostLikely(revisions: RevisionView[], rank: (view: RevisionView) => number): string | undefined {
  return revisions.toSorted((a, b) => rank(b) - rank(a) || (b.number ?? 0) - (a.number ?? 0))[0]?.name;
}
