/** Reasons why no route can take effect: for the status, and for the planner. */
import { BackendTlsPolicyKind } from '../resources/kinds.js';
import type { Observed } from './observed.js';

type RouteInput = Pick<Observed, 'api' | 'router' | 'missingKinds' | 'userRoute'>;

/** Message; undefined if no reason is known. */
export function routeTrouble(observed: RouteInput): string | undefined {
  return providerMissing(observed) ?? userRouteMissing(observed);
}

export function providerMissing({ api, missingKinds }: RouteInput): string | undefined {
  if (missingKinds.length === 0) return undefined;
  const kinds = missingKinds.map(({ kind, group }) => `${kind} (${group})`).join(' and ');
  const provider = api.spec.traffic?.provider;
  if (missingKinds.every((type) => type === BackendTlsPolicyKind))
    return `spec.traffic.backendTLS is set, but the cluster has no ${kinds}; install Gateway API v1.4 or later, or remove it`;
  return `spec.traffic.provider is ${provider}, but the cluster has no ${kinds}; install ${provider}, or choose another provider`;
}

export function userRouteMissing({ api, router, userRoute }: RouteInput): string | undefined {
  const { routeRef } = api.spec.traffic ?? {};
  if (!routeRef || !router.shared) return undefined;
  const { name, namespace } = api.metadata;
  const route = `traffic.routeRef: ${router.shared.type.kind} ${namespace}/${routeRef.name}`;
  if (!userRoute) return `${route} does not exist; create it, or remove traffic.routeRef`;
  if (router.shared.leadsHere(api, userRoute)) return undefined;
  return `${route} has no rule whose only backend is Service ${name}; add one`;
}

/** Why the user's own route cannot have all rules of a delivery; undefined: it can. */
export function routeLimitMessage({ routeLimits }: Pick<Observed, 'routeLimits'>): string | undefined {
  return routeLimits?.header ?? routeLimits?.sticky;
}
