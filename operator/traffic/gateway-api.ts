/** Gateway API: an HTTPRoute with weights for one Service per revision. */
import { PATHS } from '../../contract/image.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { RouteView } from '../delivery/observation.js';
import { backendTlsPolicy } from '../resources/backend-tls.js';
import { BackendTlsPolicyKind, HttpRouteKind } from '../resources/kinds.js';
import { owned } from '../resources/metadata.js';
import { revisionService, SERVICE_PORT } from '../resources/service.js';
import type { KubeObject } from '../runtime/kube-client.js';
import { cookieFilters, cookieMatch, sharedHttpRoute, stickyOf } from './gateway-api-shared.js';
import { canaryHeader, type ReadObject, serviceUnder, splitGateway, withService } from './route-objects.js';
import { routeRejection } from './route-rejection.js';
import type { TrafficRouter } from './router.js';
import { sharesOf, trafficRules } from './sticky-rules.js';

interface RouteRule {
  matches?: {
    headers?: { type?: string; name: string; value: string }[];
    path?: { type: string; value: string };
  }[];
  backendRefs?: { name: string; port?: number; weight?: number; filters?: object[] }[];
  filters?: {
    type: string;
    requestMirror?: { backendRef: { name: string; port: number }; percent?: number };
  }[];
}

const ALL_PATHS = '/';

export const gatewayApi: TrafficRouter = {
  split: 'exact',
  requires: ({ spec }) =>
    spec.traffic?.backendTLS ? [HttpRouteKind, BackendTlsPolicyKind] : [HttpRouteKind],
  services: (_api, revision) => [revision],
  render(api, route, kept, { userRoute, secured, auth } = {}) {
    const securedServices = [...(secured?.revisions ?? []), ...(auth?.servesHttps ? [auth.service] : [])];
    const services = [
      serviceUnder(api, route),
      ...kept.map((revision) => revisionService(api, revision)),
      ...(secured && securedServices.length > 0 ? [backendTlsPolicy(api, secured, securedServices)] : []),
    ];
    if (!route) return services;
    const rules = [...(auth ? [authRule(auth.service)] : []), ...rulesOf(api, route)];
    if (!api.spec.traffic?.routeRef) return [...services, httpRoute(api, rules)];
    return userRoute && !servesMesh(api, userRoute) ? [...services, meshRoute(api, rules)] : services;
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

function httpRoute(api: PcfApi, rules: readonly RouteRule[]): KubeObject {
  return owned(api, HttpRouteKind, api.metadata.name, {
    spec: {
      parentRefs: [...gatewaysOf(api), meshParent(api)],
      hostnames: api.spec.traffic?.hosts ?? [],
      rules,
    },
  });
}

/** Route for callers inside the mesh, if the existing route serves only the gateway. */
function meshRoute(api: PcfApi, rules: readonly RouteRule[]): KubeObject {
  return owned(api, HttpRouteKind, `${api.metadata.name}-mesh`, {
    spec: { parentRefs: [meshParent(api)], rules },
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
  const mirror = route.header && route.mirror ? { filters: [mirrorFilter(route.header, route.mirror)] } : {};
  const path = { type: 'PathPrefix', value: ALL_PATHS };
  const weighted = trafficRules(api, route).map(
    ({ cookie, backends }): RouteRule => ({
      matches: [{ path, ...(cookie === undefined ? {} : { headers: [cookieMatch(cookie)] }) }],
      backendRefs: backends.map((backend) => ({
        name: backend.revision,
        port: SERVICE_PORT,
        weight: backend.weight,
        ...cookieFilters(backend),
      })),
      ...mirror,
    }),
  );
  // Rules with as many headers apply in order: the canary header has precedence over the cookie.
  return route.header ? [headerRule(api, route.header), ...weighted] : weighted;
}

function gatewaysOf(api: PcfApi) {
  const { gateways = [], gatewayClassName } = api.spec.traffic ?? {};
  const own = gatewayClassName ? [api.metadata.name] : [];
  // The API server rejects duplicate parents, and `public` may also be given with the namespace.
  const parents = [...own, ...gateways].map((gateway) => splitGateway(api, gateway));
  return [...new Map(parents.map((parent) => [`${parent.namespace}/${parent.name}`, parent])).values()];
}

function mirrorFilter(revision: string, percent: number) {
  return {
    type: 'RequestMirror',
    requestMirror: { backendRef: { name: revision, port: SERVICE_PORT }, percent },
  };
}

/** The longest path takes precedence over headers, so canary requests match it as well. */
function authRule(service: string): RouteRule {
  return {
    matches: [{ path: { type: 'PathPrefix', value: PATHS.auth } }],
    backendRefs: [{ name: service, port: SERVICE_PORT, weight: 1 }],
  };
}

function headerRule(api: PcfApi, revision: string): RouteRule {
  const header = { type: 'Exact', ...canaryHeader(api) };
  return {
    matches: [{ path: { type: 'PathPrefix', value: ALL_PATHS }, headers: [header] }],
    backendRefs: [{ name: revision, port: SERVICE_PORT, weight: 1 }],
  };
}

function isAuthRule({ matches = [] }: RouteRule): boolean {
  return matches.some(({ path }) => path?.value === PATHS.auth);
}

function read(api: PcfApi, object: ReadObject): RouteView | undefined {
  const found = object(HttpRouteKind, api.metadata.name) as { spec?: { rules?: RouteRule[] } } | undefined;
  const rules = (found?.spec?.rules ?? []).filter((rule) => !isAuthRule(rule));
  const isHeaderRule = (rule: RouteRule) =>
    rule.matches?.some(({ headers }) => (headers?.length ?? 0) > 0) ?? false;
  const primary = rules.find((rule) => !isHeaderRule(rule));
  if (!primary) return undefined;
  const header = rules.find((rule) => isHeaderRule(rule) && stickyOf(api, rule) === undefined)
    ?.backendRefs?.[0]?.name;
  const weights = sharesOf((primary.backendRefs ?? []).map(({ name, weight }) => [name, weight ?? 1]));
  const sticky = rules.map((rule) => stickyOf(api, rule)).find((cookie) => cookie !== undefined);
  const mirror = primary.filters?.find(({ type }) => type === 'RequestMirror')?.requestMirror?.percent;
  return {
    weights,
    ...(header ? { header } : {}),
    ...(mirror ? { mirror } : {}),
    ...(sticky ? { sticky } : {}),
  };
}
