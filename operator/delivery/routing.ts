/** The route that must be in force: who gets which share, and who gets the requests with the canary header. */
import type { DeliveryPosition, TrafficStatus } from '../api/v1alpha1/status.js';
import { shareOf, view } from './revisions.js';
import type { DeliverySettings, Observation, RevisionView, RouteView } from './types.js';
import { type Clamped, carries, carryingPods, clampWeight } from './weight.js';

export interface Routing {
  route: RouteView | undefined;
  traffic: TrafficStatus;
}

export function routing(seen: Observation, position: DeliveryPosition, settings: DeliverySettings): Routing {
  const { stable, update, weight = 100, scale } = position;
  if (!stable) return firstRoute(seen, update);
  if (!update) return report(seen, split(seen, position, 0, settings), 0, { weight: 0 });
  const routed = shareOf(seen.route, update);
  const clamped = unshared(
    seen,
    position,
    settings,
    clampWeight(weight, view(seen, stable), view(seen, update), settings, routed, scale),
  );
  return report(seen, split(seen, position, clamped.weight, settings), weight, clamped);
}

function firstRoute(seen: Observation, update: string | undefined): Routing {
  if (!update) return report(seen, undefined, 0, { weight: 0 });
  if (view(seen, update).ready > 0) return report(seen, { weights: { [update]: 100 } }, 100, { weight: 100 });
  return report(seen, undefined, 100, { weight: 0, reason: `no pod of ${update} is ready` });
}

function report(seen: Observation, route: RouteView | undefined, asked: number, clamped: Clamped): Routing {
  const { weight, reason } = clamped;
  const verified = sameRoute(route, seen.route);
  const traffic = { desiredWeight: asked, effectiveWeight: weight, verified, ...(reason ? { reason } : {}) };
  return { route, traffic };
}

/** The shares of both revisions, and of one that still carries what the stable one can't yet. */
function split(
  seen: Observation,
  { stable, update }: DeliveryPosition,
  weight: number,
  settings: DeliverySettings,
): RouteView {
  const shares = [
    ...stableShares(seen, stable!, update, 100 - weight, settings),
    ...(update ? [[update, weight] as const] : []),
  ];
  const weights = Object.fromEntries(shares.filter(([, share]) => share > 0));
  if (settings.split === 'replicas')
    return Object.keys(weights).length > 1 ? { weights, byPods: true } : { weights };
  if (!update || view(seen, update).ready === 0) return { weights };
  const mirror = mirrored(view(seen, update), weight, settings);
  return { weights, header: update, ...(mirror > 0 ? { mirror } : {}) };
}

/** Copies of requests weigh as much as requests: both together are no more than the ready pods carry. */
function mirrored({ ready }: RevisionView, weight: number, settings: DeliverySettings): number {
  return Math.min(settings.mirror ?? 0, carries(ready, carryingPods(settings)) - weight);
}

/**
 * The stable revision's share. Where it was made smaller for a revision that was then
 * given up, that one keeps what the stable pods can't carry until they are back: an
 * abort waits for nothing, and overloads nobody.
 */
function stableShares(
  seen: Observation,
  stable: string,
  update: string | undefined,
  share: number,
  settings: DeliverySettings,
): (readonly [string, number])[] {
  if (settings.replicas === 0) return [[stable, share]];
  const { ready } = view(seen, stable);
  const can = ready > 0 ? Math.min(share, carries(ready, carryingPods(settings))) : 0;
  const leaving = seen.revisions.find(
    ({ name, ready }) => name !== stable && name !== update && ready > 0 && carriesTraffic(seen.route, name),
  );
  if (!leaving || can === share) return [[stable, share]];
  return [
    [stable, can],
    [leaving.name, share - can],
  ];
}

/** Also of a route by pods, in which each revision behind the Service has a share. */
function carriesTraffic(route: RouteView | undefined, name: string): boolean {
  return route?.byPods === true || shareOf(route, name) > 0;
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
    [...names].every((name) => (a.weights[name] ?? 0) === (b.weights[name] ?? 0))
  );
}
