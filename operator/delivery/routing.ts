/** The route that must be in force: who gets which share, and who gets the requests with the canary header. */
import type { DeliveryPosition, TrafficStatus } from '../api/v1alpha1/status.js';
import type { DeliveryPlan } from './delivery-plan.js';
import type { DeliverySettings } from './delivery-spec.js';
import type { Observation, RevisionView, RouteView } from './observation.js';
import { view } from './revision-view.js';
import { ALL_REVISIONS, serviceRevision, shareInForce, shareOf, withShares } from './route-share.js';
import { type Clamped, carries, carryingPods, clampWeight, makesRoom } from './weight.js';

type Share = readonly [revision: string, percent: number];

export interface Routing {
  route: RouteView | undefined;
  routeWaitsFor?: string;
  traffic: TrafficStatus;
}

export function routing(seen: Observation, position: DeliveryPosition, settings: DeliverySettings): Routing {
  const { stable, update, weight = 100, scale } = position;
  if (!stable) return firstRoute(seen, update);
  if (!update) return shared(seen, position, 0, { weight: 0 }, settings);
  const routed = shareOf(seen.route, update);
  const clamped = unshared(
    seen,
    position,
    settings,
    clampWeight(weight, view(seen, stable), view(seen, update), settings, routed, scale),
  );
  return shared(seen, position, weight, clamped, settings);
}

/**
 * The plan with the traffic as it is after the writes. `route` was read back after them. If it differs
 * from the planned route, it is the route in effect, and `rejected` is the reason.
 */
export function inEffect(
  seen: Pick<Observation, 'revisions'>,
  plan: DeliveryPlan,
  route: RouteView | undefined,
  rejected?: string,
): DeliveryPlan {
  // Until the planned route may be written, a route of another provider is in effect, which is not read.
  const isHeld = route === undefined && plan.routeWaitsFor !== undefined;
  if (isHeld || sameRoute(route, plan.route)) return plan;
  const { stable, update } = plan.position;
  const names = new Set([...Object.keys(route?.weights ?? {}), ...seen.revisions.map(({ name }) => name)]);
  // After an abort no revision is new: the weight is the share of all revisions except the stable one.
  const isNew = (name: string) => (update ? name === update : stable !== undefined && name !== stable);
  const shares = [...names].filter(isNew).map((name) => shareInForce({ ...seen, route }, name));
  const effectiveWeight = Math.min(
    100,
    shares.reduce((sum, share) => sum + share, 0),
  );
  const reason = rejected ?? plan.traffic.reason;
  const { desiredWeight } = plan.traffic;
  return {
    ...plan,
    route: route && withShares(seen, route, stable),
    traffic: { desiredWeight, effectiveWeight, verified: false, ...(reason ? { reason } : {}) },
  };
}

function firstRoute(seen: Observation, update: string | undefined): Routing {
  if (!update) return report(seen, undefined, 0, { weight: 0 });
  if (view(seen, update).ready > 0) return report(seen, { weights: { [update]: 100 } }, 100, { weight: 100 });
  return report(seen, undefined, 100, { weight: 0, reason: `no pod of ${update} is ready` });
}

function shared(
  seen: Observation,
  position: DeliveryPosition,
  asked: number,
  { weight, reason }: Clamped,
  settings: DeliverySettings,
): Routing {
  const route = split(seen, position, weight, settings);
  const leaving = stillLeaving(seen, position, route, settings);
  return report(seen, route, asked, { weight, reason: sentence(reason, leaving) });
}

/** What the status says of it: each share that is not as asked, or not known to be in force, has its reason. */
function report(seen: Observation, route: RouteView | undefined, asked: number, clamped: Clamped): Routing {
  const isWritten = sameRoute(route, seen.route);
  const routeWaitsFor = awaitedEndpoints(seen, route);
  const waiting = routeWaitsFor && `the route waits for ${routeWaitsFor}`;
  const trouble =
    seen.routeRejected ?? (isWritten ? undefined : (seen.routeTrouble ?? waiting ?? NOT_READ_BACK));
  const verified = isWritten && seen.routeRejected === undefined;
  const reason = sentence(clamped.reason, trouble);
  const traffic = { desiredWeight: asked, effectiveWeight: clamped.weight, verified };
  return {
    route,
    ...(routeWaitsFor ? { routeWaitsFor } : {}),
    traffic: { ...traffic, ...(reason ? { reason } : {}) },
  };
}

/** A route to a Service without endpoints answers 503. */
function awaitedEndpoints(seen: Observation, route: RouteView | undefined): string | undefined {
  const waiting = seen.revisions.filter(
    ({ name, awaitsEndpoints }) => awaitsEndpoints && (shareOf(route, name) > 0 || route?.header === name),
  );
  if (waiting.length === 0) return undefined;
  return `endpoints of ${waiting.map(({ name }) => name).join(' and ')} behind a new Service`;
}

const NOT_READ_BACK = 'the route was written and has not been read back yet';

function sentence(...parts: (string | undefined)[]): string | undefined {
  return parts.filter((part) => part !== undefined).join('; ') || undefined;
}

/** The shares of both revisions, and of one that still carries what the stable one can't yet. */
function split(
  seen: Observation,
  position: DeliveryPosition,
  weight: number,
  settings: DeliverySettings,
): RouteView {
  const { update } = position;
  const shares = [
    ...stableShares(seen, position, 100 - weight, settings),
    ...(update ? [[update, weight] as const] : []),
  ];
  const weights = Object.fromEntries(shares.filter(([, share]) => share > 0));
  if (settings.split === 'replicas')
    return Object.keys(weights).length > 1 ? { weights, byPods: true } : { weights };
  const service = isOpenToAll(seen, weights, settings) ? ALL_REVISIONS : position.stable!;
  const route = Object.keys(weights).length > 1 ? { weights, service } : { weights };
  if (!update || view(seen, update).ready === 0) return route;
  const mirror = mirrored(view(seen, update), weight, settings);
  return { ...route, header: update, ...(mirror > 0 ? { mirror } : {}) };
}

/**
 * A rolling update removes a stable pod for each new pod that is ready: callers of the Service would overload the
 * remaining ones. The Service selects all revisions only if each revision with pods has a share.
 */
function isOpenToAll(
  { revisions, strangers = [] }: Observation,
  weights: RouteView['weights'],
  { strategy }: DeliverySettings,
): boolean {
  const withPods = revisions.filter(({ replicas, ready }) => replicas > 0 || ready > 0);
  return (
    strategy === 'RollingUpdate' && strangers.length === 0 && withPods.every(({ name }) => weights[name]! > 0)
  );
}

/** Copies of requests weigh as much as requests: both together are no more than the ready pods carry. */
function mirrored({ ready }: RevisionView, weight: number, settings: DeliverySettings): number {
  return Math.min(settings.mirror ?? 0, carries(ready, carryingPods(settings)) - weight);
}

/**
 * The stable revision's share. Where it made room for a revision that was then given
 * up, that one keeps what the stable pods can't carry until they are back: an abort
 * waits for nothing, and overloads nobody. Nor does it ever lead more to what failed.
 */
function stableShares(
  seen: Observation,
  { stable, update }: DeliveryPosition,
  share: number,
  settings: DeliverySettings,
): Share[] {
  const leaving = seen.revisions.find(
    ({ name, ready }) => name !== stable && name !== update && ready > 0 && shareInForce(seen, name) > 0,
  );
  const kept = leaving ? keptShare(seen, view(seen, stable!), leaving, share, settings) : 0;
  return [[stable!, share - kept], ...(leaving ? [[leaving.name, kept] as const] : [])];
}

/** Why a revision that is neither the stable one nor on its way has a share; undefined when none has. */
function stillLeaving(
  seen: Observation,
  { stable, update }: DeliveryPosition,
  { weights, byPods }: RouteView,
  settings: DeliverySettings,
): string | undefined {
  const leaving = Object.keys(weights).find((name) => name !== stable && name !== update);
  if (!leaving) return undefined;
  const share = byPods ? 'the share of its pods' : `${weights[leaving]} %`;
  const { ready } = view(seen, stable!);
  return `${leaving} keeps ${share}: ${ready} of ${carryingPods(settings)} pods of ${stable} are ready`;
}

/** What a revision on its way out keeps of the share that is the stable one's. */
function keptShare(
  seen: Observation,
  stable: RevisionView,
  leaving: RevisionView,
  share: number,
  settings: DeliverySettings,
): number {
  if (settings.replicas === 0) return 0;
  if (stable.ready === 0) return share;
  const full = carryingPods(settings);
  const lacking = share - Math.min(share, carries(stable.ready, full));
  // Once it is on record that it leaves, the route tells that it was to keep a share.
  const mayKeep = makesRoom(settings) || stable.replicas < full || leaving.name !== seen.position.update;
  return mayKeep ? Math.min(lacking, shareInForce(seen, leaving.name), carries(leaving.ready, full)) : 0;
}

/**
 * Without a router every ready pod behind the Service gets its share, so a third
 * revision's pods must be gone before two share it. Pinned to one revision it shuts them out anyway.
 */
function unshared(
  seen: Observation,
  { stable, update }: DeliveryPosition,
  settings: DeliverySettings,
  clamped: Clamped,
): Clamped {
  if (settings.split === 'exact' || clamped.weight === 0 || clamped.weight === 100) return clamped;
  const third = seen.revisions.some(({ name, ready }) => ready > 0 && name !== stable && name !== update);
  return third
    ? { weight: 0, reason: 'pods of an earlier revision still stand behind the Service' }
    : clamped;
}

/** Whether two routes send every request to the same revision. Shares by pods are not written, so not compared. */
export function sameRoute(a: RouteView | undefined, b: RouteView | undefined): boolean {
  if (!a || !b) return a === b;
  if (a.byPods || b.byPods) return a.byPods === b.byPods;
  const names = new Set([...Object.keys(a.weights), ...Object.keys(b.weights)]);
  return (
    a.header === b.header &&
    a.mirror === b.mirror &&
    serviceRevision(a) === serviceRevision(b) &&
    [...names].every((name) => (a.weights[name] ?? 0) === (b.weights[name] ?? 0))
  );
}
