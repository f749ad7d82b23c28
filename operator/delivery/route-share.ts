/** Shares of revisions in a route, in percent, and the revision that the Service selects. */
import type { RevisionView, RouteView } from './observation.js';

/** The share that a route gives a revision. */
export function shareOf(route: RouteView | undefined, name: string | undefined): number {
  return (name && route?.weights[name]) || 0;
}

/** The selection of a Service that selects all revisions. */
export const ALL_REVISIONS = '*';

/** The revision that Service `<name>` selects under this route; undefined if it selects several, or none. */
export function serviceRevision({ weights, service }: RouteView): string | undefined {
  return service ?? Object.keys(weights).find((name) => weights[name] === 100);
}

/** The effective share of a revision: behind a Service that selects all revisions, that of its ready pods. */
export function effectiveShare(
  route: RouteView | undefined,
  revisions: readonly RevisionView[],
  name: string | undefined,
): number {
  if (!route?.byPods) return shareOf(route, name);
  const ready = revisions.reduce((sum, revision) => sum + revision.ready, 0);
  const own = revisions.find((revision) => revision.name === name)?.ready ?? 0;
  return ready === 0 ? 0 : Math.ceil((100 * own) / ready);
}

/**
 * Adds shares by ready pods to a route without shares: it was read back from a Service that selects all
 * revisions. `rest` is the revision that has the whole traffic while no pod is ready.
 */
export function withPodShares(
  route: RouteView,
  revisions: readonly RevisionView[],
  rest: string | undefined,
): RouteView {
  if (!route.byPods) return route;
  const serving = revisions.filter(({ ready }) => ready > 0).toSorted((a, b) => b.ready - a.ready);
  const sum = serving.reduce((total, { ready }) => total + ready, 0);
  const weights = Object.fromEntries(
    serving.map(({ name, ready }) => [name, Math.floor((100 * ready) / sum)] as const),
  );
  const most = serving[0]?.name ?? rest;
  const left = 100 - Object.values(weights).reduce((total, share) => total + share, 0);
  return { weights: most ? { ...weights, [most]: (weights[most] ?? 0) + left } : weights, byPods: true };
}
