/** The planned route: the share of each revision, and the revision for requests with the canary header. */
import type { TrafficStatus } from '../api/v1alpha1/status.js';
import type { DeliveryContext } from './context.js';
import type { DeliveryPlan } from './delivery-plan.js';
import { heldWeight } from './held-step.js';
import type { RevisionView, RouteView } from './observation.js';
import { ALL_REVISIONS, effectiveShare, serviceRevision, shareOf, withPodShares } from './route-share.js';
import { requestedWeight } from './steps.js';
import { capacityShare, type LimitedWeight, limitWeight, mayStableShrink, podsForTraffic } from './weight.js';
import { weightBlock } from './weight-block.js';

type Share = readonly [revision: string, percent: number];

export interface Routing {
  route: RouteView | undefined;
  routeWaitsFor?: string;
  traffic: TrafficStatus;
}

export function planRoute(context: DeliveryContext): Routing {
  const { stable, canary, position, observation, spec } = context;
  if (!stable) return routeToFirst(context);
  if (!canary) return routeBetween(context, 0, { weight: 0 });
  const { weight = 100, scale } = position;
  const routed = shareOf(observation.route, canary.name);
  const limited = withoutOthers(context, limitWeight(weight, stable, canary, spec, routed, scale));
  const block = weightBlock(context);
  if (block && limited.weight === 0) {
    return routeBetween(context, requestedWeight(context), { weight: 0, reason: block.message });
  }
  const held = heldWeight(context);
  if (!held) return routeBetween(context, weight, limited);
  const reason = sentence(`waiting for ${held.waitingFor}`, limited.reason);
  return routeBetween(context, held.desired, { ...limited, reason });
}

/**
 * The plan with the traffic as it is after the writes. `route` was read back after them. If it differs
 * from the planned route, it is the route in effect, and `rejected` is the reason.
 */
export function inEffect(
  { revisions }: { revisions: readonly RevisionView[] },
  plan: DeliveryPlan,
  route: RouteView | undefined,
  rejected?: string,
): DeliveryPlan {
  // Until the planned route may be written, a route of another provider is in effect, which is not read.
  const isPostponed = route === undefined && plan.routeWaitsFor !== undefined;
  if (isPostponed || sameRoute(route, plan.route)) return plan;
  const { stable, update } = plan.position;
  const names = new Set([...Object.keys(route?.weights ?? {}), ...revisions.map(({ name }) => name)]);
  // After an abort no revision is new: the weight is the share of all revisions except the stable one.
  const isNew = (name: string) => (update ? name === update : stable !== undefined && name !== stable);
  const shares = [...names].filter(isNew).map((name) => effectiveShare(route, revisions, name));
  const effectiveWeight = Math.min(
    100,
    shares.reduce((sum, share) => sum + share, 0),
  );
  const reason = rejected ?? plan.traffic.reason;
  const { desiredWeight } = plan.traffic;
  return {
    ...plan,
    route: route && withPodShares(route, revisions, stable),
    traffic: {
      ...{ desiredWeight, effectiveWeight, verified: false },
      ...stickiness(route),
      ...(reason ? { reason } : {}),
    },
  };
}

function stickiness(route: RouteView | undefined): Pick<TrafficStatus, 'stickyCookie'> {
  return route?.sticky ? { stickyCookie: route.sticky } : {};
}

function routeToFirst(context: DeliveryContext): Routing {
  const { canary } = context;
  if (!canary) return withTraffic(context, undefined, 0, { weight: 0 });
  if (canary.ready > 0)
    return withTraffic(context, { weights: { [canary.name]: 100 } }, 100, { weight: 100 });
  return withTraffic(context, undefined, 100, { weight: 0, reason: `no pod of ${canary.name} is ready` });
}

function routeBetween(context: DeliveryContext, desired: number, limited: LimitedWeight): Routing {
  const route = split(context, limited.weight);
  const reason = sentence(limited.reason, outgoingShare(context, route));
  return withTraffic(context, route, desired, { ...limited, reason });
}

/** Adds the status of the traffic, with the reason for a share that is not the desired one, or not verified. */
function withTraffic(
  context: DeliveryContext,
  route: RouteView | undefined,
  desiredWeight: number,
  limited: LimitedWeight,
): Routing {
  const { observation } = context;
  const isWritten = sameRoute(route, observation.route);
  const routeWaitsFor = pendingEndpoints(context, route);
  const waiting = routeWaitsFor && `the route waits for ${routeWaitsFor}`;
  const unverified =
    observation.routeRejected ??
    (isWritten ? undefined : (observation.routeTrouble ?? waiting ?? NOT_READ_BACK));
  const verified = isWritten && observation.routeRejected === undefined;
  const reason = sentence(limited.reason, unverified);
  const traffic = { desiredWeight, effectiveWeight: limited.weight, verified };
  return {
    route,
    ...(routeWaitsFor ? { routeWaitsFor } : {}),
    traffic: { ...traffic, ...stickiness(route), ...(reason ? { reason } : {}) },
  };
}

/** A route to a Service without endpoints answers 503. */
function pendingEndpoints({ revisions }: DeliveryContext, route: RouteView | undefined): string | undefined {
  const waiting = revisions.filter(
    ({ name, awaitsEndpoints }) => awaitsEndpoints && (shareOf(route, name) > 0 || route?.header === name),
  );
  if (waiting.length === 0) return undefined;
  return `endpoints of ${waiting.map(({ name }) => name).join(' and ')} behind a new Service`;
}

const NOT_READ_BACK = 'the route was written and has not been read back yet';

function sentence(...parts: (string | undefined)[]): string | undefined {
  return parts.filter((part) => part !== undefined).join('; ') || undefined;
}

/** The shares of both revisions, and of one that still serves what the stable one has no capacity for. */
function split(context: DeliveryContext, weight: number): RouteView {
  const { canary, position, spec } = context;
  const shares = [
    ...stableShares(context, 100 - weight),
    ...(canary ? [[canary.name, weight] as const] : []),
  ];
  const weights = Object.fromEntries(shares.filter(([, share]) => share > 0));
  if (spec.split === 'replicas')
    return Object.keys(weights).length > 1 ? { weights, byPods: true } : { weights };
  const service = selectsAll(context, weights) ? ALL_REVISIONS : position.stable!;
  const route = Object.keys(weights).length > 1 ? { weights, service } : { weights };
  if (!canary || canary.ready === 0 || spec.hasHeaderRule === false) return route;
  const mirror = mirroredShare(context, weight);
  return {
    ...route,
    header: canary.name,
    ...(mirror > 0 ? { mirror } : {}),
    ...(isSticky(weights, canary.name) && spec.stickyCookie ? { sticky: spec.stickyCookie } : {}),
  };
}

/** A cookie divides users between two revisions, one of which is the canary: an aborted one keeps no users. */
function isSticky(weights: RouteView['weights'], canary: string): boolean {
  return Object.keys(weights).length === 2 && weights[canary] !== undefined;
}

/**
 * A rolling update removes a stable pod for each new pod that is ready: callers of the Service would overload the
 * remaining ones. The Service selects all revisions only if each revision with pods has a share.
 */
function selectsAll(
  { observation: { unrecorded = [] }, revisions, spec }: DeliveryContext,
  weights: RouteView['weights'],
): boolean {
  const withPods = revisions.filter(({ replicas, ready }) => replicas > 0 || ready > 0);
  return (
    spec.strategy === 'RollingUpdate' &&
    unrecorded.length === 0 &&
    withPods.every(({ name }) => weights[name]! > 0)
  );
}

/** A copy of a request is as much load as the request: both together are limited to the capacity of the ready pods. */
function mirroredShare({ canary, spec }: DeliveryContext, weight: number): number {
  return Math.min(spec.mirror ?? 0, capacityShare(canary!.ready, podsForTraffic(spec)) - weight);
}

/**
 * The stable revision's share. If its pods made room for a revision that was then aborted, that one retains what they
 * have no capacity for until they are ready again: an abort waits for nothing and overloads no pod. The share of the
 * aborted revision never grows.
 */
function stableShares(context: DeliveryContext, share: number): Share[] {
  const { observation, revisions } = context;
  const { stable, update } = context.position;
  const outgoing = revisions.find(
    ({ name, ready }) =>
      name !== stable &&
      name !== update &&
      ready > 0 &&
      effectiveShare(observation.route, revisions, name) > 0,
  );
  const retained = outgoing ? retainedShare(context, outgoing, share) : 0;
  return [[stable!, share - retained], ...(outgoing ? [[outgoing.name, retained] as const] : [])];
}

/** Why a revision that is neither stable nor being delivered has a share; undefined if none has. */
function outgoingShare(
  { stable, position, spec }: DeliveryContext,
  { weights, byPods }: RouteView,
): string | undefined {
  const outgoing = Object.keys(weights).find((name) => name !== position.stable && name !== position.update);
  if (!outgoing) return undefined;
  const share = byPods ? 'the share of its pods' : `${weights[outgoing]} %`;
  return `${outgoing} keeps ${share}: ${stable!.ready} of ${podsForTraffic(spec)} pods of ${stable!.name} are ready`;
}

/** The part of the stable revision's share that an outgoing revision retains. */
function retainedShare(context: DeliveryContext, outgoing: RevisionView, share: number): number {
  const { observation, recorded, revisions, spec } = context;
  const stable = context.stable!;
  if (spec.replicas === 0) return 0;
  if (stable.ready === 0) return share;
  const full = podsForTraffic(spec);
  const lacking = share - Math.min(share, capacityShare(stable.ready, full));
  // Once the abort is recorded, a share in the route shows that the revision retained one.
  const mayRetain = mayStableShrink(spec) || stable.replicas < full || outgoing.name !== recorded.update;
  if (!mayRetain) return 0;
  const current = effectiveShare(observation.route, revisions, outgoing.name);
  return Math.min(lacking, current, capacityShare(outgoing.ready, full));
}

/**
 * Without a router every ready pod behind the Service gets the same share: pods of a third revision must be removed
 * before two share the traffic. A Service that selects one revision excludes them.
 */
function withoutOthers(
  { revisions, position, spec }: DeliveryContext,
  limited: LimitedWeight,
): LimitedWeight {
  if (spec.split === 'exact' || limited.weight === 0 || limited.weight === 100) return limited;
  const { stable, update } = position;
  const hasOthers = revisions.some(({ name, ready }) => ready > 0 && name !== stable && name !== update);
  return hasOthers ? { weight: 0, reason: 'the Service still selects pods of an earlier revision' } : limited;
}

/** Whether two routes send every request to the same revision. Shares by pods are not written, so not compared. */
export function sameRoute(a: RouteView | undefined, b: RouteView | undefined): boolean {
  if (!a || !b) return a === b;
  if (a.byPods || b.byPods) return a.byPods === b.byPods;
  const names = new Set([...Object.keys(a.weights), ...Object.keys(b.weights)]);
  return (
    a.header === b.header &&
    a.mirror === b.mirror &&
    a.sticky === b.sticky &&
    serviceRevision(a) === serviceRevision(b) &&
    [...names].every((name) => (a.weights[name] ?? 0) === (b.weights[name] ?? 0))
  );
}
