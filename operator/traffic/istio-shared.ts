/**
 * An existing VirtualService of the user: the operator sets the destinations of each HTTP route that routes
 * to the Service of the PcfApi.
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { VirtualServiceKind } from '../resources/kinds.js';
import { allRevisionsName } from '../resources/service.js';
import type { Dialect } from './shared.js';
import { sharedRoute } from './shared.js';
import { isStickySetCookie, type StickyBackend, sharesOf, stickyPattern } from './sticky-rules.js';

interface Headers {
  response?: { add?: Record<string, string>; set?: Record<string, string>; remove?: string[] };
}

interface Destination {
  destination: { host: string; subset?: string; port?: object };
  weight?: number;
  headers?: Headers;
}

interface Mirror {
  destination: Destination['destination'];
  percentage?: { value: number };
}

interface HttpRoute {
  name?: string;
  match?: { headers?: Record<string, { exact?: string; regex?: string }> }[];
  route?: Destination[];
  mirrors?: Mirror[];
  headers?: Headers;
}

const SET_COOKIE = 'Set-Cookie';

const dialect: Dialect<HttpRoute> = {
  type: VirtualServiceKind,
  limits: {
    nameOf: ({ name }) => name,
    matchedHeaders: ({ match = [] }) =>
      match.flatMap(({ headers = {} }) =>
        Object.entries(headers).map(([name, { exact }]) => ({ name, repeatable: exact })),
      ),
    changedHeaders: ({ headers, route = [] }) => [
      // Headers of the rule apply after those of its destinations: additions leave the cookie as it is.
      ...removedBy(headers),
      ...route.flatMap((destination) => [
        ...Object.keys(destination.headers?.response?.add ?? {}),
        ...removedBy(destination.headers),
      ]),
    ],
    takesFrom: () => false,
    exceededLimit: () => undefined,
  },
  addedRules: 'before',
  list: 'http',
  isOurs: (api, { route = [] }) =>
    route.length > 0 && route.every(({ destination }) => isOurs(api, destination.host)),
  areHeaderRulesNamed: true,
  // Detected by its name, which the schema always preserves.
  isHeaderRule: (api, { name = '' }) => isNumbered(name, headerRuleName(api, '')),
  stickyCookie: (api, rule) => stickyOf(api, rule),
  withHeader: (api, rule, { name, value }, revision, index) => ({
    ...withMatch(rule, name.toLowerCase(), { exact: value }),
    name: headerRuleName(api, String(index)),
    route: [{ ...toSubset(api, rule, revision), weight: 100 }],
  }),
  withTraffic(api, rule, { cookie, backends }, { header, mirror }, index) {
    const matching =
      cookie === undefined
        ? rule
        : { ...withMatch(rule, 'cookie', { regex: cookie }), name: stickyRuleName(api, index) };
    return {
      ...withMirrors(api, matching, header && mirror ? [mirrorTo(api, rule, header, mirror)] : []),
      route: backends.map((backend) => {
        const { headers, ...destination } = toSubset(api, rule, backend.revision);
        return { ...destination, weight: backend.weight, ...cookieHeaders(backend, headers) };
      }),
    };
  },
  mirrorOf: (api, { mirrors = [] }) => mirrors.find((mirror) => isOurMirror(api, mirror))?.percentage?.value,
  plain: (api, rule) => ({ ...withMirrors(api, rule, []), route: [toService(api, rule)] }),
  weightsOf: ({ route = [] }) =>
    sharesOf(
      route.map(({ destination, weight }) => [
        destination.subset ?? '',
        weight ?? (route.length === 1 ? 100 : 0),
      ]),
    ),
  headerTarget: ({ route }) => route?.[0]?.destination.subset,
};

export const sharedVirtualService = sharedRoute(dialect);

function removedBy({ response: { set = {}, remove = [] } = {} }: Headers = {}): string[] {
  return [...Object.keys(set), ...remove];
}

/** The first destination of the rule as written by the user: the Service. */
function toService(api: PcfApi, { route }: HttpRoute): Destination {
  const { weight: _weight, headers, ...first } = route![0]!;
  const { subset: _subset, ...destination } = first.destination;
  return {
    ...first,
    destination: { ...destination, host: respelled(destination.host, api.metadata.name) },
    ...withoutCookie(api, headers),
  };
}

/** The headers of a destination, with the cookie in its responses. */
export function cookieHeaders({ setCookie }: StickyBackend, headers?: Headers): { headers?: Headers } {
  if (setCookie === undefined) return headers ? { headers } : {};
  const { response } = headers ?? {};
  return {
    headers: { ...headers, response: { ...response, add: { ...response?.add, [SET_COOKIE]: setCookie } } },
  };
}

/** The headers of a destination as written by the user. */
function withoutCookie(api: PcfApi, headers: Headers | undefined): { headers?: Headers } {
  const { [SET_COOKIE]: value, ...add } = headers?.response?.add ?? {};
  if (!isStickySetCookie(api, value)) return headers ? { headers } : {};
  const { add: _add, ...response } = { ...headers!.response, add };
  const rest = Object.keys(add).length > 0 ? { ...response, add } : response;
  const { response: _response, ...others } = headers!;
  const all = Object.keys(rest).length > 0 ? { ...others, response: rest } : others;
  return Object.keys(all).length > 0 ? { headers: all } : {};
}

function withMatch(rule: HttpRoute, header: string, value: { exact?: string; regex?: string }): HttpRoute {
  const match = (rule.match ?? [{}]).map((one) => ({ ...one, headers: { ...one.headers, [header]: value } }));
  return { ...rule, match };
}

/** The same destination with a subset, at the host of the Service for all revisions. */
function toSubset(api: PcfApi, rule: HttpRoute, subset: string): Destination {
  const { destination, ...rest } = toService(api, rule);
  return {
    ...rest,
    destination: { ...destination, host: respelled(destination.host, allRevisionsName(api)), subset },
  };
}

/** Host of another Service, as short name or FQDN like the original. */
function respelled(host: string, service: string): string {
  return [service, ...host.split('.').slice(1)].join('.');
}

/** Adds the mirrors of the operator to those of the rule. */
function withMirrors(api: PcfApi, { mirrors = [], ...rule }: HttpRoute, added: Mirror[]): HttpRoute {
  const all = [...mirrors.filter((mirror) => !isOurMirror(api, mirror)), ...added];
  return all.length > 0 ? { ...rule, mirrors: all } : rule;
}

function mirrorTo(api: PcfApi, rule: HttpRoute, subset: string, value: number): Mirror {
  return { destination: toSubset(api, rule, subset).destination, percentage: { value } };
}

function isOurMirror(api: PcfApi, { destination: { host, subset } }: Mirror): boolean {
  return isOurs(api, host) && subset !== undefined;
}

function headerRuleName({ metadata }: PcfApi, index: string): string {
  return `canary-header-${metadata.name}-${index}`;
}

function stickyRuleName({ metadata }: PcfApi, index: string): string {
  return `sticky-${metadata.name}-${index}`;
}

function isNumbered(name: string, prefix: string): boolean {
  return name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length));
}

/** The cookie of a rule that the operator added for sticky users. */
export function stickyOf(
  api: PcfApi,
  { match = [] }: { match?: readonly { headers?: Record<string, { regex?: string }> }[] },
): string | undefined {
  return stickyPattern(api, match[0]?.headers?.cookie?.regex)?.cookie;
}

function isOurs(api: PcfApi, host: string): boolean {
  return [api.metadata.name, allRevisionsName(api)].some((service) =>
    serviceHosts(api, service).includes(host),
  );
}

/** Possible spellings of a Service in a VirtualService of the same namespace. */
export function serviceHosts({ metadata: { namespace } }: PcfApi, service: string): string[] {
  return ['', `.${namespace}`, `.${namespace}.svc`, `.${namespace}.svc.cluster.local`].map(
    (rest) => `${service}${rest}`,
  );
}
