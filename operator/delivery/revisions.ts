/** Looking up revisions in what was seen. */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import type { Observation, RevisionView, RouteView } from './types.js';

export function view(seen: Observation, name: string): RevisionView {
  const absent: RevisionView = { name, replicas: 0, ready: 0, migration: 'Pending', nextStage: 'expand' };
  return seen.revisions.find((revision) => revision.name === name) ?? absent;
}

/** Whether the pods of a revision may start: the schema is ready for them. */
export function migrated(revision: RevisionView): boolean {
  return revision.migration === 'Succeeded' || revision.migration === 'Disabled';
}

/** The share that a revision has in a route. */
export function shareOf(route: RouteView | undefined, name: string | undefined): number {
  return (name && route?.weights[name]) || 0;
}

/** The selection of a Service that is not narrowed to one revision. */
export const ALL_REVISIONS = '*';

/** The revision that Service `<name>` selects under this route; undefined if it selects several, or none. */
export function serviceRevision({ weights, service }: RouteView): string | undefined {
  return service ?? Object.keys(weights).find((name) => weights[name] === 100);
}

/** The share that a revision has now: behind a Service that is open to all revisions, that of its ready pods. */
export function shareInForce(
  { route, revisions }: Pick<Observation, 'route' | 'revisions'>,
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
export function withShares(
  { revisions }: Pick<Observation, 'revisions'>,
  route: RouteView,
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

/** Where an undo leads: out of a delivery, or back from what was aborted, to the stable revision; else to the one before it. */
export function wayBack({ stable, update, failed, previous }: DeliveryPosition): string | undefined {
  return update || failed ? stable : previous;
}

/** Names one delivery: requests that speak of another one are none. Undefined between deliveries. */
export function deliveryId({ update, startedAt }: DeliveryPosition): string | undefined {
  return update && `${update}@${startedAt}`;
}

/** Names the step that a delivery is at: a request to continue from it is none to continue from another one. */
export function stepId(position: DeliveryPosition): string | undefined {
  const { strategy, step = 0 } = position;
  const id = deliveryId(position);
  return id && `${id}/${strategy}/${step}`;
}

/** Names all steps of a delivery that are left. */
export function fullId(position: DeliveryPosition): string | undefined {
  const id = deliveryId(position);
  return id && `${id}/full`;
}
