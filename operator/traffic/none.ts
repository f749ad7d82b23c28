/**
 * Without a router: the Service only. It selects one revision, or all of them; in that case the weight of a
 * revision is its share of the ready pods.
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { RouteView } from '../delivery/observation.js';
import { NO_REVISION, service } from '../resources/service.js';
import { type ReadObject, selectedRevision } from './route-objects.js';
import type { TrafficRouter } from './router.js';

export const none: TrafficRouter = {
  split: 'replicas',
  requires: () => [],
  services: () => [],
  render: (api, route) => [service(api, pinnedTo(route))],
  read,
};

function pinnedTo(route: RouteView | undefined): string | undefined {
  if (!route) return NO_REVISION;
  return Object.keys(route.weights).find((revision) => route.weights[revision] === 100);
}

function read(api: PcfApi, object: ReadObject): RouteView | undefined {
  const pinned = selectedRevision(api, object);
  if (pinned === NO_REVISION) return undefined;
  return pinned ? { weights: { [pinned]: 100 } } : { weights: {}, byPods: true };
}
