/** Istio: a VirtualService with weights over the subsets of a DestinationRule, one subset a revision. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { RouteView } from '../delivery/types.js';
import { DestinationRuleKind, VirtualServiceKind } from '../resources/kinds.js';
import { LABELS, owned } from '../resources/metadata.js';
import { SERVICE_PORT, service } from '../resources/service.js';
import type { KubeObject } from '../runtime/kube-client.js';
import { sharedVirtualService } from './istio-shared.js';
import { canaryHeader, type ReadObject, type TrafficRouter } from './router.js';

interface HttpRoute {
  name: string;
  match?: unknown[];
  mirrors?: { destination: { host: string; subset?: string }; percentage?: { value: number } }[];
  route: { destination: { host: string; subset?: string }; weight?: number }[];
}

const HEADER_ROUTE = 'canary-header';
const PRIMARY_ROUTE = 'primary';

export const istio: TrafficRouter = {
  split: 'exact',
  requires: [VirtualServiceKind, DestinationRuleKind],
  services: (api) => [api.metadata.name],
  render(api, route, kept) {
    const rules = kept.length > 0 ? [destinationRule(api, kept)] : [];
    const base = [service(api), ...rules];
    return route && !api.spec.traffic?.routeRef ? [...base, virtualService(api, route)] : base;
  },
  read: (api, object) =>
    api.spec.traffic?.routeRef ? sharedVirtualService.read(api, object) : read(api, object),
  shared: sharedVirtualService,
};

function destinationRule(api: PcfApi, kept: readonly string[]): KubeObject {
  const subsets = kept.map((revision) => ({ name: revision, labels: { [LABELS.revision]: revision } }));
  return owned(api, DestinationRuleKind, api.metadata.name, { spec: { host: serviceHost(api), subsets } });
}

function virtualService(api: PcfApi, route: RouteView): KubeObject {
  const destination = (subset: string) => ({
    host: serviceHost(api),
    subset,
    port: { number: SERVICE_PORT },
  });
  const primary: HttpRoute = {
    name: PRIMARY_ROUTE,
    route: Object.entries(route.weights).map(([subset, weight]) => ({
      destination: destination(subset),
      weight,
    })),
    ...(route.header && route.mirror
      ? { mirrors: [{ destination: destination(route.header), percentage: { value: route.mirror } }] }
      : {}),
  };
  const http = route.header ? [headerRoute(api, destination(route.header)), primary] : [primary];
  const gateways = api.spec.traffic?.gateways ?? [];
  return owned(api, VirtualServiceKind, api.metadata.name, {
    spec: { hosts: api.spec.traffic?.hosts ?? [], ...(gateways.length > 0 ? { gateways } : {}), http },
  });
}

function headerRoute(api: PcfApi, destination: HttpRoute['route'][number]['destination']): HttpRoute {
  const { name, value } = canaryHeader(api);
  return {
    name: HEADER_ROUTE,
    match: [{ headers: { [name.toLowerCase()]: { exact: value } } }],
    route: [{ destination, weight: 100 }],
  };
}

function read(api: PcfApi, object: ReadObject): RouteView | undefined {
  const found = object(VirtualServiceKind, api.metadata.name) as
    | { spec?: { http?: HttpRoute[] } }
    | undefined;
  const http = found?.spec?.http ?? [];
  const primary = http.find(({ name }) => name === PRIMARY_ROUTE);
  if (!primary) return undefined;
  const header = http.find(({ name }) => name === HEADER_ROUTE)?.route[0]?.destination.subset;
  const weights = Object.fromEntries(
    primary.route.map(({ destination, weight }) => [destination.subset ?? '', weight ?? 100]),
  );
  const mirror = primary.mirrors?.[0]?.percentage?.value;
  return { weights, ...(header ? { header } : {}), ...(mirror ? { mirror } : {}) };
}

function serviceHost(api: PcfApi): string {
  return `${api.metadata.name}.${api.metadata.namespace}.svc.cluster.local`;
}
