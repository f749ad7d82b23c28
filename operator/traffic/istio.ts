/**
 * Istio: a VirtualService with weights over the subsets of a DestinationRule, one subset per revision.
 * The subsets narrow a Service of their own: Service `<name>` selects one revision only.
 */
import { PATHS } from '../../contract/image.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { RouteView } from '../delivery/observation.js';
import { backendHostname, type SecuredBackends } from '../resources/backend-tls.js';
import { DestinationRuleKind, VirtualServiceKind } from '../resources/kinds.js';
import { LABELS, owned } from '../resources/metadata.js';
import { allRevisionsName, allRevisionsService, SERVICE_PORT } from '../resources/service.js';
import type { KubeObject } from '../runtime/kube-client.js';
import { cookieHeaders, serviceHosts, sharedVirtualService, stickyOf } from './istio-shared.js';
import { canaryHeader, type ReadObject, serviceUnder, withService } from './route-objects.js';
import type { TrafficRouter } from './router.js';
import { sharesOf, trafficRules } from './sticky-rules.js';

interface HttpRoute {
  name: string;
  match?: { uri?: object; headers?: Record<string, { exact?: string; regex?: string }> }[];
  mirrors?: { destination: { host: string; subset?: string }; percentage?: { value: number } }[];
  route: {
    destination: { host: string; subset?: string; port?: { number: number } };
    weight?: number;
    headers?: object;
  }[];
}

const HEADER_ROUTE = 'canary-header';
const PRIMARY_ROUTE = 'primary';
const STICKY_ROUTE = 'sticky';
const AUTH_ROUTE = 'auth';
/** Name of all sidecars in Istio. */
const MESH = 'mesh';

export const istio: TrafficRouter = {
  split: 'exact',
  requires: () => [VirtualServiceKind, DestinationRuleKind],
  services: (api) => [allRevisionsName(api)],
  render(api, route, kept, { userRoute, secured, auth } = {}) {
    const rules = kept.length > 0 ? [destinationRule(api, kept, secured)] : [];
    const authRules = auth?.servesHttps && secured ? [authDestinationRule(api, auth.service, secured)] : [];
    const base = [serviceUnder(api, route), allRevisionsService(api), ...rules, ...authRules];
    if (!route) return base;
    const http = [...(auth ? [authRoute(api, auth.service)] : []), ...rulesOf(api, route)];
    if (!api.spec.traffic?.routeRef) return [...base, virtualService(api, http)];
    return userRoute && !servesMesh(api, userRoute) ? [...base, meshVirtualService(api, http)] : base;
  },
  read: (api, object) =>
    withService(
      api,
      object,
      api.spec.traffic?.routeRef ? sharedVirtualService.read(api, object) : read(api, object),
    ),
  shared: sharedVirtualService,
};

function destinationRule(api: PcfApi, kept: readonly string[], secured?: SecuredBackends): KubeObject {
  const subsets = kept.map((revision) => ({
    name: revision,
    labels: { [LABELS.revision]: revision },
    ...(secured?.revisions.includes(revision) ? { trafficPolicy: { tls: clientTls(api, secured) } } : {}),
  }));
  return owned(api, DestinationRuleKind, allRevisionsName(api), {
    spec: { host: hostOf(api, allRevisionsName(api)), subsets },
  });
}

function authDestinationRule(api: PcfApi, service: string, secured: SecuredBackends): KubeObject {
  return owned(api, DestinationRuleKind, service, {
    spec: { host: hostOf(api, service), trafficPolicy: { tls: clientTls(api, secured) } },
  });
}

function clientTls(api: PcfApi, secured: SecuredBackends) {
  const { caFile } = secured.settings;
  const hostname = backendHostname(api, secured);
  const authority = caFile ? { caCertificates: caFile } : {};
  return { mode: 'SIMPLE', sni: hostname, subjectAltNames: [hostname], ...authority };
}

/**
 * Route for the gateways, and for callers inside the mesh that use the name of the Service. Istio rejects
 * duplicate hosts, and the spec can contain the host of the Service.
 */
function virtualService(api: PcfApi, http: readonly HttpRoute[]): KubeObject {
  const { hosts = [], gateways = [] } = api.spec.traffic ?? {};
  const own = serviceHosts(api, api.metadata.name);
  return owned(api, VirtualServiceKind, api.metadata.name, {
    spec: {
      hosts: [...hosts.filter((host) => !own.includes(host)), hostOf(api, api.metadata.name)],
      gateways: [...gateways.filter((gateway) => gateway !== MESH), MESH],
      http,
    },
  });
}

/** Route for callers inside the mesh, if the existing route serves only the gateway. */
function meshVirtualService(api: PcfApi, http: readonly HttpRoute[]): KubeObject {
  return owned(api, VirtualServiceKind, `${api.metadata.name}-mesh`, {
    spec: { hosts: [hostOf(api, api.metadata.name)], gateways: [MESH], http },
  });
}

/**
 * Whether it contains the host of the Service inside the mesh: of two VirtualServices for a host, a sidecar
 * applies one.
 */
function servesMesh(api: PcfApi, userRoute: KubeObject): boolean {
  const { hosts = [], gateways = [MESH] } = (userRoute.spec ?? {}) as {
    hosts?: string[];
    gateways?: string[];
  };
  const own = serviceHosts(api, api.metadata.name);
  return gateways.includes(MESH) && hosts.some((host) => own.includes(host));
}

function rulesOf(api: PcfApi, route: RouteView): HttpRoute[] {
  const destination = (subset: string) => ({
    host: hostOf(api, allRevisionsName(api)),
    subset,
    port: { number: SERVICE_PORT },
  });
  const mirrors =
    route.header && route.mirror
      ? { mirrors: [{ destination: destination(route.header), percentage: { value: route.mirror } }] }
      : {};
  const weighted = trafficRules(api, route).map(
    ({ cookie, backends }, index): HttpRoute => ({
      name: cookie === undefined ? PRIMARY_ROUTE : `${STICKY_ROUTE}-${index}`,
      ...(cookie === undefined ? {} : { match: [{ headers: { cookie: { regex: cookie } } }] }),
      route: backends.map((backend) => ({
        destination: destination(backend.revision),
        weight: backend.weight,
        ...cookieHeaders(backend),
      })),
      ...mirrors,
    }),
  );
  return route.header ? [headerRoute(api, destination(route.header)), ...weighted] : weighted;
}

/** Istio applies the first rule that matches. `/authors` is not under the path. */
function authRoute(api: PcfApi, service: string): HttpRoute {
  return {
    name: AUTH_ROUTE,
    match: [{ uri: { exact: PATHS.auth } }, { uri: { prefix: `${PATHS.auth}/` } }],
    route: [{ destination: { host: hostOf(api, service), port: { number: SERVICE_PORT } } }],
  };
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
  const weights = sharesOf(
    primary.route.map(({ destination, weight }) => [destination.subset ?? '', weight ?? 100]),
  );
  const mirror = primary.mirrors?.[0]?.percentage?.value;
  const sticky = http.map((rule) => stickyOf(api, rule)).find((cookie) => cookie !== undefined);
  return {
    weights,
    ...(header ? { header } : {}),
    ...(mirror ? { mirror } : {}),
    ...(sticky ? { sticky } : {}),
  };
}

function hostOf({ metadata }: PcfApi, service: string): string {
  return `${service}.${metadata.namespace}.svc.cluster.local`;
}
