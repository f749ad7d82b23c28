/**
 * Pods of the two revisions of a delivery. Capacity comes before weight on the way up, and weight before capacity
 * on the way down: a pod that a route selects is not removed.
 */
import type { DeliveryContext } from './context.js';
import type { DeliverySpec } from './delivery-spec.js';
import type { RevisionView, RouteView } from './observation.js';
import { isMigrated } from './revision-view.js';
import { shareOf } from './route-share.js';
import { isStartable } from './startable.js';
import { isSurgeLimited, podsForShare, podsForTraffic, podsToRetain, replicaShares } from './weight.js';

type Replicas = Record<string, number>;

export interface PlannedReplicas {
  replicas: Replicas;
  /** Time until the data plane has applied the route, if other numbers apply then. In milliseconds. */
  settlesInMs?: number;
}

/** `planned` is the route that is written now. */
export function planReplicas(context: DeliveryContext, planned: RouteView | undefined): PlannedReplicas {
  const settlingMs = context.spec.settleMs - context.observation.routeAgeMs;
  const settled = replicasOf(context, planned, true);
  if (settlingMs <= 0) return { replicas: settled };
  const replicas = replicasOf(context, planned, false);
  return { replicas, ...(isSame(replicas, settled) ? {} : { settlesInMs: settlingMs }) };
}

function isSame(a: Replicas, b: Replicas): boolean {
  return [...Object.keys(a), ...Object.keys(b)].every((name) => a[name] === b[name]);
}

function replicasOf(context: DeliveryContext, planned: RouteView | undefined, isSettled: boolean): Replicas {
  const { stable, canary, observation, revisions, spec } = context;
  const full = spec.replicas;
  if (!canary) return stable ? { [stable.name]: full } : {};

  const mayStart = isStartable(context) && isMigrated(canary) && !(spec.paused && canary.replicas === 0);
  if (!stable) return withPods(canary.name, mayStart ? full : Math.min(canary.replicas, full));

  const pair: Pair = {
    ...{ context, stable, canary, isSettled, mayStart },
    hasOthers: revisions.some(({ name, ready }) => ready > 0 && name !== stable.name && name !== canary.name),
    // Both the effective route and the planned one must be served.
    routed: ({ name }) => Math.max(shareOf(observation.route, name), shareOf(planned, name)),
  };
  const shares = sharesOf(pair);
  return { [stable.name]: shares.stable, ...withPods(canary.name, shares.canary) };
}

interface Pair {
  context: DeliveryContext;
  stable: RevisionView;
  canary: RevisionView;
  /** Whether the data plane has applied the route. */
  isSettled: boolean;
  /** Whether the canary may get pods. */
  mayStart: boolean;
  /** Whether pods of an earlier revision are ready. */
  hasOthers: boolean;
  /** Share of a revision, in percent. */
  routed: (revision: RevisionView) => number;
}

/** Pods per revision. */
interface Shares {
  stable: number;
  canary: number;
}

function sharesOf(pair: Pair): Shares {
  const { spec } = pair.context;
  if (isSurgeLimited(spec)) return sharesWithinSurge(pair);
  if (spec.split === 'replicas') return sharesByPods(pair);
  return { stable: spec.replicas, canary: onceStartable(pair, canaryPods(pair)) };
}

/** Before the canary may start, it gets no additional pods. */
function onceStartable({ mayStart, canary, context: { spec } }: Pair, desired: number): number {
  return mayStart ? desired : Math.min(canary.replicas, spec.replicas);
}

/** Pods that the new revision needs for a share. */
function desiredPods(weight: number, { replicas: full, canaryPods: kind, mirror = 0 }: DeliverySpec): number {
  if (weight === 100 || kind === 'full') return full;
  return typeof kind === 'number' ? Math.min(full, kind) : podsForShare(Math.min(100, weight + mirror), full);
}

/**
 * The number of pods for the whole traffic by which the effective share is measured. If an autoscaler raises it, the
 * share of pods that had capacity for it until then does not fall: the new number applies once the new revision has
 * its part of it.
 */
export function capacityScale({ canary, position, spec }: DeliveryContext): number {
  const { replicas } = spec;
  const { weight = 100, scale = replicas } = position;
  if (!canary || replicas <= scale) return replicas;
  return canary.ready >= desiredPods(weight, spec) ? replicas : scale;
}

/** Pods for the desired or the routed share, whichever is more. */
function canaryPods({ canary, context, isSettled, routed }: Pair): number {
  const { spec, position } = context;
  const { weight = 100 } = position;
  const { replicas: full, canaryPods: kind } = spec;
  const share = routed(canary);
  // From the whole traffic back to a fixed number: pods that the route selects stay until it no longer does.
  const isFixed = typeof kind === 'number' && weight < 100;
  // Within a surge limit, the way back needs room, too: only pods that the share needs stay.
  const makesRoom = isSurgeLimited(spec) && weight < share;
  const needed = isFixed
    ? Math.min(podsToRetain(share, full), canary.replicas)
    : makesRoom
      ? podsToRetain(share, podsForTraffic(spec))
      : podsForShare(share, full);
  const retained = isSettled ? (share > 0 ? needed : 0) : Math.min(canary.replicas, full);
  return Math.max(desiredPods(weight, spec), retained);
}

/**
 * Both revisions together have at most `maxSurge` pods more than needed, and at most `maxUnavailable` ready ones
 * fewer. Each has a minimum, from the route and `maxUnavailable`, and a maximum, which the other one leaves: stable
 * pods make room as new ones become ready.
 */
function sharesWithinSurge(pair: Pair): Shares {
  const { spec } = pair.context;
  const budget = spec.replicas + surgeOf(spec);
  const desired = desiredWithin(budget, pair);
  const stable = stableWithin(desired.stable, pair);
  // Terminating pods take room until they are deleted.
  const room = budget - Math.max(pair.stable.replicas, stable);
  const maximum = Math.max(room, pair.canary.replicas);
  const minimum = canaryMinimum(stable, pair);
  return {
    stable,
    canary: onceStartable(pair, Math.max(minimum, Math.min(desired.canary, maximum))),
  };
}

/** A single pod can't be spared, whatever `maxUnavailable` is: its replacement takes one more. */
function surgeOf(spec: DeliverySpec): number {
  const { maxSurge = 0, replicas } = spec;
  return podsForTraffic(spec) === replicas ? Math.max(1, maxSurge) : maxSurge;
}

function desiredWithin(budget: number, pair: Pair): Shares {
  const { spec } = pair.context;
  if (spec.split === 'exact') {
    const canary = Math.max(canaryPods(pair), podsInsteadOfStable(pair));
    return { stable: budget - canary, canary };
  }
  const shares = podSharesWithin(budget, pair);
  // Pods of an earlier revision serve until all stable ones are ready: those make room after that.
  return pair.hasOthers ? { ...shares, stable: spec.replicas } : shares;
}

/** Ready new pods that replace stable ones which are not ready: they stay, although the share needs fewer. */
function podsInsteadOfStable({ context: { spec }, stable, canary }: Pair): number {
  return Math.min(canary.ready, Math.max(0, podsForTraffic(spec) - stable.ready));
}

/** At least the pods for the stable revision's share of the route, and for what the new pods have no capacity for. */
function stableWithin(desired: number, { context, stable, canary, isSettled, routed }: Pair): number {
  const { spec } = context;
  const { replicas: full, split } = spec;
  const needed = podsForTraffic(spec);
  const retained = split === 'exact' ? podsToRetain(routed(stable), needed) : 0;
  const minimum = Math.min(full, Math.max(retained, needed - canary.ready));
  const pods = Math.max(minimum, Math.min(full, desired));
  return isSettled ? pods : Math.max(pods, Math.min(stable.replicas, full));
}

/** Pods for the new revision's share of the route; without a router, for what the stable ones lack. */
function canaryMinimum(stablePods: number, { context, stable, canary, routed }: Pair): number {
  const { spec, position } = context;
  const { replicas: full, split } = spec;
  if (split === 'exact') {
    const scale = Math.min(full, position.scale ?? full);
    return podsToRetain(routed(canary), podsForTraffic({ ...spec, replicas: scale }));
  }
  const lacking = podsForTraffic(spec) - Math.min(stable.ready, stablePods);
  return Math.min(canary.replicas, Math.max(0, lacking));
}

/**
 * Without a router the pods are the share. They follow the desired weight, never the effective one, or each would
 * raise the other. The stable revision retains at least one pod of a partial share.
 */
function podSharesWithin(room: number, { context: { spec, position } }: Pair): Shares {
  const { weight = 100 } = position;
  const { replicas: full } = spec;
  if (weight === 100) return { stable: room - full, canary: full };
  const { stable, update } = replicaShares(full, weight);
  const canary = Math.min(update, Math.max(0, room - 1));
  return { stable: Math.min(stable, room - canary), canary };
}

/** Without a router and a surge limit: the numbers of pods are the share. */
function sharesByPods(pair: Pair): Shares {
  const { context, stable, canary, hasOthers, mayStart } = pair;
  const { weight = 100 } = context.position;
  const { replicas: full, canaryPods: kind } = context.spec;
  if (kind === 'full') return { stable: full, canary: onceStartable(pair, full) };
  const share = replicaShares(full, weight);
  // Stable pods make room once no pod of an earlier revision serves instead of them: it would be retained forever.
  const isReady = mayStart && !hasOthers && canary.ready >= share.update;
  const shrunk = stable.ready >= share.stable ? share.update : Math.max(share.update, canary.replicas);
  return { stable: isReady ? share.stable : full, canary: onceStartable(pair, shrunk) };
}

/** A revision without pods has no Deployment until it gets some. */
export function withPods(revision: string, count: number): Replicas {
  return count > 0 ? { [revision]: count } : {};
}
