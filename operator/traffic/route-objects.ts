/** Shared by all routers: the canary header, and the Service of the API next to the route. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { RouteView } from '../delivery/observation.js';
import { ALL_REVISIONS, serviceRevision } from '../delivery/route-share.js';
import { ServiceKind } from '../resources/kinds.js';
import { LABELS } from '../resources/metadata.js';
import { NO_REVISION, service } from '../resources/service.js';
import type { KubeObject, ResourceType } from '../runtime/kube-client.js';

/** Requests with this header are always routed to the new revision if it has a ready pod. */
export function canaryHeader({ spec }: PcfApi): { name: string; value: string } {
  return spec.strategy?.canary?.header ?? { name: 'x-canary', value: 'true' };
}

/** Reads an object of this PcfApi from a cache. */
export type ReadObject = (type: ResourceType, name: string) => KubeObject | undefined;

/** The revision that the live Service selects; undefined: all of them. A missing Service counts as one without endpoints. */
export function selectedRevision(api: PcfApi, object: ReadObject): string | undefined {
  const found = object(ServiceKind, api.metadata.name) as
    | { spec?: { selector?: Record<string, string> } }
    | undefined;
  return found ? found.spec?.selector?.[LABELS.revision] : NO_REVISION;
}

/** The Service of the API in addition to a route that splits requests by weight. */
export function serviceUnder(api: PcfApi, route: RouteView | undefined): KubeObject {
  const selected = (route && serviceRevision(route)) ?? NO_REVISION;
  return service(api, selected === ALL_REVISIONS ? undefined : selected);
}

/** Adds the selection of the live Service to a route, if it does not follow from the weights. */
export function withService(
  api: PcfApi,
  object: ReadObject,
  route: RouteView | undefined,
): RouteView | undefined {
  if (!route) return undefined;
  const selected = selectedRevision(api, object) ?? ALL_REVISIONS;
  return serviceRevision(route) === selected ? route : { ...route, service: selected };
}

/** `namespace/name`, or `name` in the namespace of the PcfApi. */
export function splitGateway(api: PcfApi, gateway: string): { namespace: string; name: string } {
  const [first, second] = gateway.split('/');
  return second ? { namespace: first!, name: second } : { namespace: api.metadata.namespace, name: first! };
}
