/**
 * Which hosts a route claims at which gateways. A claim is for all requests: rules that are limited
 * to a path or a header are merged with those of other routes in a defined order, so they claim nothing.
 * Nor does a redirect, which serves nothing.
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { HttpRouteKind, VirtualServiceKind } from '../resources/kinds.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { isRejected, type ParentRef, type ParentStatus } from './route-rejection.js';

export interface HostClaim {
  host: string;
  /** As `namespace/name`. */
  gateway: string;
  /** At one listener of the gateway only. */
  isPartial?: true;
}

/** Index key of a claim. */
export function claimKey({ host, gateway }: HostClaim): string {
  return `${gateway} ${host}`;
}

/** Claims of a live route; empty for any other kind of object. */
export function claimsOf(object: KubeObject): HostClaim[] {
  if (object.kind === VirtualServiceKind.kind) return virtualServiceClaims(object);
  return object.kind === HttpRouteKind.kind ? httpRouteClaims(object) : [];
}

/** Claims of the spec, even if its route does not exist; with `traffic.routeRef`, claims of that route. */
export function specClaims({ metadata, spec }: PcfApi, userRoute?: KubeObject): HostClaim[] {
  const { provider = 'None', routeRef, hosts = [], gateways = [], gatewayClassName } = spec.traffic ?? {};
  if (routeRef) return userRoute ? claimsOf(userRoute) : [];
  if (provider === 'None') return [];
  const all = [...gateways, ...(gatewayClassName ? [metadata.name] : [])];
  return claims(
    hosts,
    all.map((gateway) => qualified(gateway, metadata.namespace)),
  );
}

interface VirtualService {
  hosts?: string[];
  gateways?: string[];
  http?: { match?: object[]; route?: unknown; delegate?: unknown }[];
}

/** Conditions of a match that narrow nothing at a gateway. */
const UNCONDITIONAL = ['name', 'gateways', 'ignoreUriCase'];
const ALL_PATHS = '/';

function virtualServiceClaims({ metadata, spec }: KubeObject): HostClaim[] {
  const { hosts = [], gateways = [], http = [] } = (spec ?? {}) as VirtualService;
  const serves = http.some(
    ({ match = [{}], route, delegate }) => (route ?? delegate) && match.some(takesAllPaths),
  );
  // `mesh`, also by default, is no gateway: its hosts are Services.
  const outer = gateways.filter((gateway) => gateway !== 'mesh');
  return serves
    ? claims(
        hosts,
        outer.map((gateway) => qualified(gateway, metadata.namespace)),
      )
    : [];
}

function takesAllPaths(match: { uri?: { prefix?: string } }): boolean {
  return Object.keys(match).every(
    (key) => UNCONDITIONAL.includes(key) || (key === 'uri' && match.uri?.prefix === ALL_PATHS),
  );
}

interface HttpRoute {
  hostnames?: string[];
  parentRefs?: (ParentRef & { sectionName?: string; port?: number })[];
  rules?: {
    matches?: { path?: { type?: string; value?: string }; headers?: []; queryParams?: []; method?: string }[];
    backendRefs?: unknown[];
  }[];
}

function httpRouteClaims(route: KubeObject): HostClaim[] {
  const { hostnames = ['*'], parentRefs = [], rules = [] } = (route.spec ?? {}) as HttpRoute;
  const serves = rules.some(
    ({ matches = [{}], backendRefs = [] }) =>
      backendRefs.length > 0 &&
      matches.some(
        ({ path: { type = 'PathPrefix', value = ALL_PATHS } = {}, headers = [], queryParams = [], method }) =>
          type === 'PathPrefix' &&
          value === ALL_PATHS &&
          headers.length + queryParams.length === 0 &&
          !method,
      ),
  );
  if (!serves) return [];
  const { parents = [] } = (route.status ?? {}) as { parents?: ParentStatus[] };
  return parentRefs
    .filter((parent) => (parent.kind ?? 'Gateway') === 'Gateway')
    .filter((parent) => !parents.some((report) => isRejected(route, parent, report)))
    .flatMap(({ name, namespace = route.metadata.namespace, sectionName, port }) =>
      claims(hostnames, [`${namespace}/${name}`]).map((claim) =>
        (sectionName ?? port) === undefined ? claim : { ...claim, isPartial: true as const },
      ),
    );
}

function claims(hosts: readonly string[], gateways: readonly string[]): HostClaim[] {
  return gateways.flatMap((gateway) => hosts.map((host) => ({ host: lowerCase(host), gateway })));
}

/** Only ASCII letters, as in DNS: a letter of another script is another host. */
function lowerCase(host: string): string {
  return host.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function qualified(gateway: string, namespace: string | undefined): string {
  return gateway.includes('/') ? gateway : `${namespace}/${gateway}`;
}

/** Precedence of routes for one host: the older one, then by namespace and name, as in the Gateway API. */
export function isOlder(a: KubeObject, b: KubeObject | undefined): boolean {
  const [ageOfA, ageOfB] = [a, b].map((route) => route?.metadata.creationTimestamp);
  if (!b || !ageOfB) return true;
  if (ageOfA !== ageOfB) return (ageOfA ?? '') < ageOfB;
  const nameOf = ({ metadata: { namespace, name } }: KubeObject) => `${namespace}/${name}`;
  return nameOf(a) < nameOf(b);
}

/** Whether a wildcard covers the other host, which is then the more specific one. */
export function isCovered(host: string, wildcard: string): boolean {
  return host !== wildcard && wildcard.startsWith('*') && host.endsWith(wildcard.slice(1));
}
