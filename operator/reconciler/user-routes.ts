/** Edits of the user's own routes: of the one that `traffic.routeRef` names, and of those that it named before. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import { SHARED_ROUTES } from '../traffic/index.js';
import type { RouteEdit } from '../traffic/shared.js';
import type { Caches } from './caches.js';
import type { Observed } from './observed.js';

/** The edit that applies the plan to the route of `traffic.routeRef`; undefined if it is up to date, or does not exist. */
export function followingEdit(
  { api, router, userRoute }: Observed,
  { route, routeWaitsFor }: DeliveryPlan,
): RouteEdit | undefined {
  if (!userRoute || !route || routeWaitsFor) return undefined;
  return router.shared?.follow(api, userRoute, route);
}

/** The edits that remove our rules from routes that `traffic.routeRef` no longer names. */
export function releasingEdits(
  api: PcfApi,
  caches: Pick<Caches, 'followers'>,
  current?: Pick<Observed, 'userRoute'>,
): RouteEdit[] {
  return SHARED_ROUTES.flatMap((shared) =>
    caches
      .followers(shared.type, api)
      .filter(({ metadata }) => metadata.uid !== current?.userRoute?.metadata.uid)
      .flatMap((live) => shared.release(api, live) ?? []),
  );
}
