/**
 * An existing VirtualService of the user: the operator sets the destinations of each HTTP route that routes
 * to the Service of the PcfApi.
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { VirtualServiceKind } from '../resources/kinds.js';
import { allRevisionsName } from '../resources/service.js';
import type { Dialect } from './shared.js';
import { sharedRoute } from './shared.js';

interface Destination {
  destination: { host: string; subset?: string; port?: object };
  weight?: number;
}

interface Mirror {
  destination: Destination['destination'];
  percentage?: { value: number };
}

interface HttpRoute {
  name?: string;
  match?: { headers?: Record<string, unknown> }[];
  route?: Destination[];
  mirrors?: Mirror[];
}

const dialect: Dialect<HttpRoute> = {
  type: VirtualServiceKind,
  list: 'http',
  isOurs: (api, { route = [] }) =>
    route.length > 0 && route.every(({ destination }) => isOurs(api, destination.host)),
  // Detected by its name, which the schema always preserves.
  isHeaderRule: (api, { name = '' }) =>
    name.startsWith(headerRuleName(api, '')) && /^\d+$/.test(name.slice(headerRuleName(api, '').length)),
  withHeader(api, rule, { name, value }, revision, index) {
    const header = { [name.toLowerCase()]: { exact: value } };
    const match = (rule.match ?? [{}]).map((one) => ({ ...one, headers: { ...one.headers, ...header } }));
    return {
      ...rule,
      name: headerRuleName(api, String(index)),
      match,
      route: [{ ...toSubset(api, rule, revision), weight: 100 }],
    };
  },
  withWeights: (api, rule, { weights, header, mirror }) => ({
    ...withMirrors(api, rule, header && mirror ? [mirrorTo(api, rule, header, mirror)] : []),
    route: Object.entries(weights).map(([subset, weight]) => ({ ...toSubset(api, rule, subset), weight })),
  }),
  mirrorOf: (api, { mirrors = [] }) => mirrors.find((mirror) => isOurMirror(api, mirror))?.percentage?.value,
  plain: (api, rule) => ({ ...withMirrors(api, rule, []), route: [toService(api, rule)] }),
  weightsOf: ({ route = [] }) =>
    Object.fromEntries(
      route.map(({ destination, weight }) => [
        destination.subset ?? '',
        weight ?? (route.length === 1 ? 100 : 0),
      ]),
    ),
  headerTarget: ({ route }) => route?.[0]?.destination.subset,
};

export const sharedVirtualService = sharedRoute(dialect);

/** The first destination of the rule as written by the user: the Service. */
function toService(api: PcfApi, { route }: HttpRoute): Destination {
  const { weight: _weight, ...first } = route![0]!;
  const { subset: _subset, ...destination } = first.destination;
  return { ...first, destination: { ...destination, host: respelled(destination.host, api.metadata.name) } };
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
