/**
 * The heart: given what is and what was asked, what must be now. Pure, so every
 * crash point is just another observation.
 *
 * Order of a delivery: migrations, pods, ready, weight, promotion. Capacity comes
 * before weight on the way up, and weight before capacity on the way down.
 */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import type {
  Decision,
  DeliveryPlan,
  DeliverySettings,
  Observation,
  RevisionView,
  RouteView,
} from './types.js';
import { type Clamped, clampWeight, podsFor, replicaShares } from './weight.js';

/** Plans one PcfApi. `now` is in milliseconds since the epoch. */
export function plan(seen: Observation, settings: DeliverySettings, now: number): DeliveryPlan {
  const { position, decisions } = advance(seen, settings, now);
  const routing = route(seen, position, settings);
  const retiring = retire(seen, position, routing.route, settings, now);
  return {
    position: { ...position, retiring: retiring.position.length > 0 ? retiring.position : undefined },
    migrate: settings.paused ? undefined : position.update,
    replicas: { ...retiring.replicas, ...replicas(seen, position, settings) },
    route: routing.route,
    traffic: routing.traffic,
    decisions,
    requeueAfterMs: retiring.requeueAfterMs,
  };
}

/** Whether the pods of a revision may start: the schema is ready for them. */
export function migrated(revision: RevisionView): boolean {
  return revision.migration === 'Succeeded' || revision.migration === 'Disabled';
}

/** Where the delivery stands after this observation: begun, called off, superseded or promoted. */
function advance(
  seen: Observation,
  settings: DeliverySettings,
  now: number,
): { position: DeliveryPosition; decisions: Decision[] } {
  const { position, target } = seen;
  if (settings.paused) return { position, decisions: [] };

  const weight = settings.canaryWeight ?? 100;
  if (target === position.stable) return callOff(position, weight);
  if (target !== position.update) return begin(seen, weight, now);
  if (!promotable(seen, weight, settings)) return { position: { ...position, weight }, decisions: [] };
  return {
    position: {
      stable: target,
      startedAt: position.startedAt,
      promotedAt: new Date(now).toISOString(),
      weight,
    },
    decisions: [{ type: 'Promoted', revision: target }],
  };
}

function callOff(position: DeliveryPosition, weight: number) {
  const { update, ...rest } = position;
  const decisions: Decision[] = update ? [{ type: 'CalledOff', revision: update }] : [];
  return { position: { ...rest, weight }, decisions };
}

function begin(seen: Observation, weight: number, now: number) {
  const { position, target } = seen;
  // Before the first promotion there is no stable revision to fall back to: one that already serves becomes it.
  const serving = position.update && view(seen, position.update).ready > 0 ? position.update : undefined;
  const stable = position.stable ?? (serving === target ? undefined : serving);
  const decisions: Decision[] = [{ type: 'Started', revision: target }];
  if (position.update) decisions.unshift({ type: 'Superseded', revision: position.update, by: target });
  const next: DeliveryPosition = {
    ...position,
    stable,
    update: target,
    startedAt: new Date(now).toISOString(),
    weight,
  };
  return { position: next, decisions };
}

/** The new revision takes over once all of its pods are ready and the route, read back, gives it everything. */
function promotable(seen: Observation, weight: number, settings: DeliverySettings): boolean {
  const update = view(seen, seen.target);
  const asked = seen.position.stable ? weight : 100;
  if (asked < 100 || !migrated(update) || update.ready < settings.replicas) return false;
  return settings.replicas === 0 || seen.route?.weights[update.name] === 100;
}

/** The route that must be in force, and what the status says of it. */
function route(seen: Observation, position: DeliveryPosition, settings: DeliverySettings) {
  const { stable, update } = position;
  if (!update) {
    const steady = stable ? { weights: { [stable]: 100 } } : undefined;
    return { route: steady, traffic: trafficStatus(seen, steady, 0, { weight: 0 }) };
  }
  const canary = view(seen, update);
  if (!stable) {
    const first = canary.ready > 0 ? { weights: { [update]: 100 } } : undefined;
    const weight = first ? { weight: 100 } : { weight: 0, reason: `no pod of ${update} is ready` };
    return { route: first, traffic: trafficStatus(seen, first, 100, weight) };
  }
  const asked = position.weight ?? 100;
  const clamped = unshared(
    seen,
    position,
    settings,
    clampWeight(asked, view(seen, stable), canary, settings),
  );
  const next = split(stable, update, clamped.weight, canary.ready > 0, settings);
  return { route: next, traffic: trafficStatus(seen, next, asked, clamped) };
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

function split(
  stable: string,
  update: string,
  weight: number,
  ready: boolean,
  settings: DeliverySettings,
): RouteView {
  const shares = { [stable]: 100 - weight, [update]: weight };
  const weights = Object.fromEntries(Object.entries(shares).filter(([, share]) => share > 0));
  if (settings.split === 'replicas')
    return weight > 0 && weight < 100 ? { weights, byPods: true } : { weights };
  return ready ? { weights, header: update } : { weights };
}

function trafficStatus(seen: Observation, planned: RouteView | undefined, asked: number, clamped: Clamped) {
  const { weight, reason } = clamped;
  const verified = sameRoute(planned, seen.route);
  return { desiredWeight: asked, effectiveWeight: weight, verified, ...(reason ? { reason } : {}) };
}

/** Whether two routes send every request to the same revision. Shares by pods are not written, so not compared. */
export function sameRoute(a: RouteView | undefined, b: RouteView | undefined): boolean {
  if (!a || !b) return a === b;
  if (a.byPods || b.byPods) return a.byPods === b.byPods;
  const names = new Set([...Object.keys(a.weights), ...Object.keys(b.weights)]);
  return (
    a.header === b.header && [...names].every((name) => (a.weights[name] ?? 0) === (b.weights[name] ?? 0))
  );
}

/** Pods of the two revisions that the delivery is about. */
function replicas(
  seen: Observation,
  position: DeliveryPosition,
  settings: DeliverySettings,
): Record<string, number> {
  const { stable, update } = position;
  const full = settings.replicas;
  if (!update) return stable ? { [stable]: full } : {};

  const canary = view(seen, update);
  const mayStart = seen.startable && migrated(canary) && !(settings.paused && canary.replicas === 0);
  const canaryPods = (wanted: number) => (mayStart ? wanted : Math.min(canary.replicas, full));
  if (!stable) return withPods({ [update]: canaryPods(full) });

  const asked = position.weight ?? 100;
  if (settings.split === 'exact') {
    const routed = seen.route?.weights[update] ?? 0;
    return { [stable]: full, ...withPods({ [update]: canaryPods(podsFor(Math.max(asked, routed), full)) }) };
  }
  const share = replicaShares(full, asked);
  const old = view(seen, stable);
  const canaryReady = mayStart && canary.ready >= share.update;
  const shrunk = old.ready >= share.stable ? share.update : Math.max(share.update, canary.replicas);
  return { [stable]: canaryReady ? share.stable : full, ...withPods({ [update]: canaryPods(shrunk) }) };
}

/** A revision that gets its first pods later has no Deployment until then. */
function withPods(wanted: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(wanted).filter(([, count]) => count > 0));
}

/** Revisions on their way out keep their pods until the route has let go of them, and a moment longer. */
function retire(
  seen: Observation,
  { stable, update }: DeliveryPosition,
  planned: RouteView | undefined,
  settings: DeliverySettings,
  now: number,
) {
  const outgoing = seen.revisions.filter(
    ({ name, replicas }) => replicas > 0 && name !== stable && name !== update,
  );
  const kept: Record<string, number> = {};
  const position: { revision: string; since: string }[] = [];
  let requeueAfterMs: number | undefined;
  for (const { name, replicas } of outgoing) {
    if (carriesTraffic(seen.route, name) || carriesTraffic(planned, name)) {
      kept[name] = replicas;
      continue;
    }
    const since =
      seen.position.retiring?.find(({ revision }) => revision === name)?.since ?? new Date(now).toISOString();
    const leftMs = Date.parse(since) + settings.retireDelayMs - now;
    if (leftMs <= 0) continue;
    // A clock that was set back must not keep the pods for ever.
    const waitMs = Math.min(leftMs, settings.retireDelayMs);
    kept[name] = replicas;
    position.push({ revision: name, since });
    requeueAfterMs = Math.min(requeueAfterMs ?? waitMs, waitMs);
  }
  return { replicas: kept, position, requeueAfterMs };
}

function carriesTraffic(route: RouteView | undefined, name: string): boolean {
  return (route?.weights[name] ?? 0) > 0 || route?.header === name;
}

function view(seen: Observation, name: string): RevisionView {
  const absent: RevisionView = { name, replicas: 0, ready: 0, migration: 'Pending' };
  return seen.revisions.find((revision) => revision.name === name) ?? absent;
}
