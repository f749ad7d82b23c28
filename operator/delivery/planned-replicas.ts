/**
 * How many pods each revision has. Capacity comes before weight on the way up, and
 * weight before capacity on the way down: a pod that a route leads to is not taken away.
 */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import type { DeliverySettings } from './delivery-spec.js';
import type { Observation, RevisionView, RouteView } from './observation.js';
import { migrated, view } from './revision-view.js';
import { shareOf } from './route-share.js';
import { carryingPods, podsFor, podsKeeping, replicaShares, surges } from './weight.js';

/**
 * Pods of the two revisions that the delivery is about. `planned` is the route that is
 * written now; `settled` says that the data plane has had the time to act on the one in force.
 */
export function pods(
  seen: Observation,
  position: DeliveryPosition,
  planned: RouteView | undefined,
  settings: DeliverySettings,
  settled: boolean,
): Record<string, number> {
  const { stable, update } = position;
  const full = settings.replicas;
  if (!update) return stable ? { [stable]: full } : {};

  const canary = view(seen, update);
  const mayStart = seen.startable && migrated(canary) && !(settings.paused && canary.replicas === 0);
  const onceStartable = (wanted: number) => (mayStart ? wanted : Math.min(canary.replicas, full));
  if (!stable) return withPods(update, onceStartable(full));

  const pair: Pair = {
    stable: view(seen, stable),
    update: canary,
    settled,
    third: seen.revisions.some(({ name, ready }) => ready > 0 && name !== stable && name !== update),
    // Pair the route that is in force and the one that is about to be must be served.
    routed: (name) => Math.max(shareOf(seen.route, name), shareOf(planned, name)),
  };
  const share = surges(settings)
    ? surging(pair, position, settings, onceStartable)
    : settings.split === 'exact'
      ? { stable: full, update: onceStartable(canaryPods(pair, position, settings)) }
      : byShare(pair, position, settings, mayStart, onceStartable);
  return { [stable]: share.stable, ...withPods(update, share.update) };
}

interface Pair {
  stable: RevisionView;
  update: RevisionView;
  /** Whether the data plane has had the time to act on the route. */
  settled: boolean;
  /** Whether pods of an earlier revision still take requests. */
  third: boolean;
  /** Share of a revision. */
  routed: (name: string) => number;
}

interface Shares {
  stable: number;
  update: number;
}

type Startable = (wanted: number) => number;

/** Pods that the new revision is to have for a share. */
function podsWanted(
  weight: number,
  { replicas: full, canaryPods: kind, mirror = 0 }: DeliverySettings,
): number {
  if (weight === 100 || kind === 'full') return full;
  return typeof kind === 'number' ? Math.min(full, kind) : podsFor(Math.min(100, weight + mirror), full);
}

/**
 * The number of pods for the whole traffic by which the share in force is measured. An
 * autoscaler that asks for more takes no share back from pods that carried it a moment
 * ago: the new number counts once the new revision has its part of it.
 */
export function scaleOf(seen: Observation, position: DeliveryPosition, settings: DeliverySettings): number {
  const { replicas } = settings;
  const { update, weight = 100, scale = replicas } = position;
  if (!update || replicas <= scale) return replicas;
  return view(seen, update).ready >= podsWanted(weight, settings) ? replicas : scale;
}

/** Pods for the share that is asked or still routed, whichever is more. */
function canaryPods(
  { update, settled, routed }: Pair,
  { weight = 100 }: DeliveryPosition,
  settings: DeliverySettings,
): number {
  const { replicas: full, canaryPods: kind } = settings;
  const wanted = podsWanted(weight, settings);
  const share = routed(update.name);
  // Back from everything to a fixed number: pods that the route leads to stay until it has let go.
  const isFixed = typeof kind === 'number' && weight < 100;
  // Within a surge the way back takes room, too: what carries the share stays, and the rest makes way.
  const makesRoom = surges(settings) && weight < share;
  const carrying = isFixed
    ? Math.min(podsKeeping(share, full), update.replicas)
    : makesRoom
      ? podsKeeping(share, carryingPods(settings))
      : podsFor(share, full);
  const kept = settled ? (share > 0 ? carrying : 0) : Math.min(update.replicas, full);
  return Math.max(wanted, kept);
}

/**
 * Both revisions have at most `maxSurge` pods too many, and at most `maxUnavailable` ready ones
 * too few. Each has a floor, what the route and that promise need of it, and a ceiling, what
 * the other one leaves: stable pods make room as the new ones become ready.
 */
function surging(
  pair: Pair,
  position: DeliveryPosition,
  settings: DeliverySettings,
  onceStartable: Startable,
): Shares {
  const budget = settings.replicas + surgeOf(settings);
  const wanted = wantedWithin(budget, pair, position, settings);
  const stable = stableWithin(wanted.stable, pair, settings);
  // Pods that are on their way out take room until they are gone.
  const room = budget - Math.max(pair.stable.replicas, stable);
  const ceiling = Math.max(room, pair.update.replicas);
  const floor = updateFloor(stable, pair, position, settings);
  return { stable, update: onceStartable(Math.max(floor, Math.min(wanted.update, ceiling))) };
}

/** Of a single pod none is to spare, whatever may be unavailable: it takes one more to replace it. */
function surgeOf(settings: DeliverySettings): number {
  const { maxSurge = 0, replicas } = settings;
  return carryingPods(settings) === replicas ? Math.max(1, maxSurge) : maxSurge;
}

function wantedWithin(
  budget: number,
  pair: Pair,
  position: DeliveryPosition,
  settings: DeliverySettings,
): Shares {
  if (settings.split === 'replicas') {
    const shares = sharesWithin(budget, position, settings);
    // What stands in for stable pods goes once they are all there: they make room after that.
    return pair.third ? { ...shares, stable: settings.replicas } : shares;
  }
  const update = canaryPods(pair, position, settings);
  return { stable: budget - update, update };
}

/** Never fewer than carry the stable revision's share of the route, and what the new pods don't carry yet. */
function stableWithin(
  wanted: number,
  { stable, update, settled, routed }: Pair,
  settings: DeliverySettings,
): number {
  const { replicas: full, split } = settings;
  const carrying = carryingPods(settings);
  const keeping = split === 'exact' ? podsKeeping(routed(stable.name), carrying) : 0;
  const floor = Math.min(full, Math.max(keeping, carrying - update.ready));
  const pods = Math.max(floor, Math.min(full, wanted));
  return settled ? pods : Math.max(pods, Math.min(stable.replicas, full));
}

/** Pods that carry the new revision's share of the route; without a router, what the stable ones can't. */
function updateFloor(
  stablePods: number,
  { stable, update, routed }: Pair,
  { scale }: DeliveryPosition,
  settings: DeliverySettings,
): number {
  const { replicas: full, split } = settings;
  if (split === 'exact') {
    const measure = Math.min(full, scale ?? full);
    return podsKeeping(routed(update.name), carryingPods({ ...settings, replicas: measure }));
  }
  const lacking = carryingPods(settings) - Math.min(stable.ready, stablePods);
  return Math.min(update.replicas, Math.max(0, lacking));
}

/**
 * No router: the pods make the share, so they follow what is asked and never what is in
 * force, or each would raise the other. A share leaves the stable revision a pod at least.
 */
function sharesWithin(
  room: number,
  { weight = 100 }: DeliveryPosition,
  { replicas: full }: DeliverySettings,
): Shares {
  if (weight === 100) return { stable: room - full, update: full };
  const { stable, update } = replicaShares(full, weight);
  const fitting = Math.min(update, Math.max(0, room - 1));
  return { stable: Math.min(stable, room - fitting), update: fitting };
}

/** No router, and no surge: the numbers of pods make the share. */
function byShare(
  { stable, update, third }: Pair,
  { weight = 100 }: DeliveryPosition,
  { replicas: full, canaryPods: kind }: DeliverySettings,
  mayStart: boolean,
  onceStartable: Startable,
): Shares {
  if (kind === 'full') return { stable: full, update: onceStartable(full) };
  const share = replicaShares(full, weight);
  // The stable pods make room once no other has to stand in for them: that one would never go.
  const ready = mayStart && !third && update.ready >= share.update;
  const shrunk = stable.ready >= share.stable ? share.update : Math.max(share.update, update.replicas);
  return { stable: ready ? share.stable : full, update: onceStartable(shrunk) };
}

/** A revision that gets its first pods later has no Deployment until then. */
function withPods(revision: string, count: number): Record<string, number> {
  return count > 0 ? { [revision]: count } : {};
}
