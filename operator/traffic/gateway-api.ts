/** Gateway API: an HTTPRoute with weights over one Service a revision. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { RouteView } from '../delivery/observation.js';
import { backendTlsPolicy } from '../resources/backend-tls.js';
import { BackendTlsPolicyKind, HttpRouteKind } from '../resources/kinds.js';
import { owned } from '../resources/metadata.js';
import { revisionService, SERVICE_PORT } from '../resources/service.js';
import type { KubeObject } from '../runtime/kube-client.js';
import { sharedHttpRoute } from './gateway-api-shared.js';
import { canaryHeader, type ReadObject, serviceUnder, splitGateway, withService } from './route-objects.js';
import { routeRejection } from './route-rejection.js';
import type { TrafficRouter } from './router.js';

interface RouteRule {
  matches?: { headers?: unknown[]; path?: unknown }[];
  backendRefs?: { name: string; port?: number; weight?: number }[];
  filters?: {
    type: string;
    requestMirror?: { backendRef: { name: string; port: number }; percent?: number };
  }[];
}

export const gatewayApi: TrafficRouter = {
  split: 'exact',
  requires: ({ spec }) =>
    spec.traffic?.backendTLS ? [HttpRouteKind, BackendTlsPolicyKind] : [HttpRouteKind],
  services: (_api, revision) => [revision],
  render(api, route, kept, userRoute, secured) {
    const services = [
      serviceUnder(api, route),
      ...kept.map((revision) => revisionService(api, revision)),
      ...(secured?.revisions.length ? [backendTlsPolicy(api, secured)] : []),
    ];
    if (!route) return services;
    if (!api.spec.traffic?.routeRef) return [...services, httpRoute(api, route)];
    return userRoute && !servesMesh(api, userRoute) ? [...services, meshRoute(api, route)] : services;
  },
  read: (api, object) =>
    withService(
      api,
      object,
      api.spec.traffic?.routeRef ? sharedHttpRoute.read(api, object) : read(api, object),
    ),
  rejection: routeRejection,
  shared: sharedHttpRoute,
};

function httpRoute(api: PcfApi, route: RouteView): KubeObject {
  return owned(api, HttpRouteKind, api.metadata.name, {
    spec: {
      parentRefs: [...gatewaysOf(api), meshParent(api)],
      hostnames: api.spec.traffic?.hosts ?? [],
      rules: rulesOf(api, route),
    },
  });
}

/** Route for callers inside the mesh, if the user's own route serves only the gateway. */
function meshRoute(api: PcfApi, route: RouteView): KubeObject {
  return owned(api, HttpRouteKind, `${api.metadata.name}-mesh`, {
    spec: { parentRefs: [meshParent(api)], rules: rulesOf(api, route) },
  });
}

/** The Service as a parent (GAMMA): a mesh that supports it routes its callers as the gateway does. Other meshes ignore it. */
function meshParent({ metadata }: PcfApi) {
  return { group: '', kind: 'Service', name: metadata.name };
}

function servesMesh({ metadata: { name, namespace } }: PcfApi, userRoute: KubeObject): boolean {
  const { parentRefs = [] } = userRoute.spec as {
    parentRefs?: { kind?: string; name: string; namespace?: string }[];
  };
  return parentRefs.some(
    (parent) =>
      parent.kind === 'Service' && parent.name === name && (parent.namespace ?? namespace) === namespace,
  );
}

function rulesOf(api: PcfApi, route: RouteView): RouteRule[] {
  const primary: RouteRule = {
    matches: [{ path: { type: 'PathPrefix', value: '/' } }],
    backendRefs: Object.entries(route.weights).map(([name, weight]) => ({
      name,
      port: SERVICE_PORT,
      weight,
    })),
    ...(route.header && route.mirror ? { filters: [mirrorFilter(route.header, route.mirror)] } : {}),
  };
  return route.header ? [headerRule(api, route.header), primary] : [primary];
}

function gatewaysOf(api: PcfApi) {
  const { gateways = [], gatewayClassName } = api.spec.traffic ?? {};
  const own = gatewayClassName ? [api.metadata.name] : [];
  return [...own, ...gateways].map((gateway) => splitGateway(api, gateway));
}

function mirrorFilter(revision: string, percent: number) {
  return {
    type: 'RequestMirror',
    requestMirror: { backendRef: { name: revision, port: SERVICE_PORT }, percent },
  };
}

function headerRule(api: PcfApi, revision: string): RouteRule {
  const header = { type: 'Exact', ...canaryHeader(api) };
  return {
    matches: [{ path: { type: 'PathPrefix', value: '/' }, headers: [header] }],
    backendRefs: [{ name: revision, port: SERVICE_PORT, weight: 1 }],
  };
}

function read(api: PcfApi, object: ReadObject): RouteView | undefined {
  const found = object(HttpRouteKind, api.metadata.name) as { spec?: { rules?: RouteRule[] } } | undefined;
  const rules = found?.spec?.rules ?? [];
  const isHeaderRule = (rule: RouteRule) =>
    rule.matches?.some(({ headers }) => (headers?.length ?? 0) > 0) ?? false;
  const primary = rules.find((rule) => !isHeaderRule(rule));
  if (!primary) return undefined;
  const header = rules.find(isHeaderRule)?.backendRefs?.[0]?.name;
  const weights = Object.fromEntries(
    (primary.backendRefs ?? []).map(({ name, weight }) => [name, weight ?? 1]),
  );
  const mirror = primary.filters?.find(({ type }) => type === 'RequestMirror')?.requestMirror?.percent;
  return { weights, ...(header ? { header } : {}), ...(mirror ? { mirror } : {}) };
}
