/**
 * How many pods each revision has. Capacity comes before weight on the way up, and
 * weight before capacity on the way down: a pod that a route leads to is not taken away.
 */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import { migrated, shareOf, view } from './revisions.js';
import type { DeliverySettings, Observation, RevisionView, RouteView } from './types.js';
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
  const allowed = (wanted: number) => (mayStart ? wanted : Math.min(canary.replicas, full));
  if (!stable) return withPods(update, allowed(full));

  const both: Both = {
    stable: view(seen, stable),
    update: canary,
    settled,
    third: seen.revisions.some(({ name, ready }) => ready > 0 && name !== stable && name !== update),
    // Both the route that is in force and the one that is about to be must be served.
    routed: (name) => Math.max(shareOf(seen.route, name), shareOf(planned, name)),
  };
  const share = surges(settings)
    ? surging(both, position, settings, allowed)
    : settings.split === 'exact'
      ? { stable: full, update: allowed(canaryPods(both, position, settings)) }
      : byShare(both, position, settings, mayStart, allowed);
  return { [stable]: share.stable, ...withPods(update, share.update) };
}

interface Both {
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

type Allowed = (wanted: number) => number;

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
  { update, settled, routed }: Both,
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
 * Both revisions have at most `maxSurge` pods too many, and at most `maxUnavailable`
 * ready ones too few: stable pods make room as the new ones become ready.
 */
function surging(
  both: Both,
  position: DeliveryPosition,
  settings: DeliverySettings,
  allowed: Allowed,
): Shares {
  const { stable, update, settled, routed } = both;
  const full = settings.replicas;
  const carrying = carryingPods(settings);
  // Of a single pod none is to spare, whatever may be unavailable: it takes one more to replace it.
  const maxSurge = carrying === full ? Math.max(1, settings.maxSurge ?? 0) : (settings.maxSurge ?? 0);
  const isRouted = settings.split === 'exact';
  const shares = isRouted ? undefined : sharesWithin(full + maxSurge, position, settings);
  const wanted = shares?.update ?? canaryPods(both, position, settings);
  const keeping = isRouted ? podsKeeping(routed(stable.name), carrying) : 0;
  const needed = Math.min(full, Math.max(keeping, carrying - update.ready));
  const fitting = Math.max(needed, Math.min(full, shares?.stable ?? full + maxSurge - wanted));
  const stablePods = settled ? fitting : Math.max(fitting, Math.min(stable.replicas, full));
  // Pods that are on their way out take room until they are gone.
  const room = full + maxSurge - Math.max(stable.replicas, stablePods);
  const measure = Math.min(full, position.scale ?? full);
  const carried = isRouted
    ? podsKeeping(routed(update.name), carryingPods({ ...settings, replicas: measure }))
    : Math.min(update.replicas, Math.max(0, carrying - Math.min(stable.ready, stablePods)));
  return {
    stable: stablePods,
    update: allowed(Math.max(carried, Math.min(wanted, Math.max(room, update.replicas)))),
  };
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
  { stable, update, third }: Both,
  { weight = 100 }: DeliveryPosition,
  { replicas: full, canaryPods: kind }: DeliverySettings,
  mayStart: boolean,
  allowed: Allowed,
): Shares {
  if (kind === 'full') return { stable: full, update: allowed(full) };
  const share = replicaShares(full, weight);
  // The stable pods make room once no other has to stand in for them: that one would never go.
  const ready = mayStart && !third && update.ready >= share.update;
  const shrunk = stable.ready >= share.stable ? share.update : Math.max(share.update, update.replicas);
  return { stable: ready ? share.stable : full, update: allowed(shrunk) };
}

/** A revision that gets its first pods later has no Deployment until then. */
function withPods(revision: string, count: number): Record<string, number> {
  return count > 0 ? { [revision]: count } : {};
}
