/**
 * No router: the Service alone. It is pinned to one revision, or open to all, in
 * which case each gets the share that its ready pods have among all.
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { RouteView } from '../delivery/types.js';
import { ServiceKind } from '../resources/kinds.js';
import { LABELS } from '../resources/metadata.js';
import { service } from '../resources/service.js';
import type { ReadObject, TrafficRouter } from './router.js';

/** Pods of no revision: a Service that leads nowhere until the first pod is ready. */
const NOWHERE = 'none';

export const none: TrafficRouter = {
  split: 'replicas',
  requires: [],
  services: () => [],
  render: (api, route) => [service(api, pinnedTo(route))],
  read,
};

function pinnedTo(route: RouteView | undefined): string | undefined {
  if (!route) return NOWHERE;
  return Object.keys(route.weights).find((revision) => route.weights[revision] === 100);
}

function read(api: PcfApi, object: ReadObject): RouteView | undefined {
  const found = object(ServiceKind, api.metadata.name) as
    | { spec?: { selector?: Record<string, string> } }
    | undefined;
  if (!found) return undefined;
  const pinned = found.spec?.selector?.[LABELS.revision];
  if (pinned === NOWHERE) return undefined;
  return pinned ? { weights: { [pinned]: 100 } } : { weights: {}, byPods: true };
}
