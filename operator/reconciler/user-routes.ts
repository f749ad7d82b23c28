/** Routes of the user's own: what is to be written to the one that follows, and to those that follow no more. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import { SHARED_ROUTES } from '../traffic/index.js';
import type { RouteEdit } from '../traffic/shared.js';
import type { Caches } from './caches.js';
import type { Observed } from './observed.js';

/** Brings the route that `traffic.routeRef` names to the plan; undefined when it is as it must be, or not there. */
export function followingEdit(
  { api, router, userRoute }: Observed,
  { route, routeWaitsFor }: DeliveryPlan,
): RouteEdit | undefined {
  if (!userRoute || !route || routeWaitsFor) return undefined;
  return router.shared?.follow(api, userRoute, route);
}

/** Gives back the routes that followed the PcfApi, but for the one that is still to. */
export function releasingEdits(
  api: PcfApi,
  caches: Pick<Caches, 'followers'>,
  kept?: Pick<Observed, 'userRoute'>,
): RouteEdit[] {
  return SHARED_ROUTES.flatMap((shared) =>
    caches
      .followers(shared.type, api)
      .filter(({ metadata }) => metadata.uid !== kept?.userRoute?.metadata.uid)
      .flatMap((live) => shared.release(api, live) ?? []),
  );
}
