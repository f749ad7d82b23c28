/** The user's own VirtualService: of each HTTP route that leads to our Service, the destinations. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { VirtualServiceKind } from '../resources/kinds.js';
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
    route.length > 0 && route.every(({ destination }) => hostsOf(api).includes(destination.host)),
  // By its name, which the schema always keeps.
  isHeaderRule: (api, { name = '' }) =>
    name.startsWith(headerRuleName(api, '')) && /^\d+$/.test(name.slice(headerRuleName(api, '').length)),
  withHeader(api, rule, { name, value }, revision, index) {
    const header = { [name.toLowerCase()]: { exact: value } };
    const match = (rule.match ?? [{}]).map((one) => ({ ...one, headers: { ...one.headers, ...header } }));
    return {
      ...rule,
      name: headerRuleName(api, String(index)),
      match,
      route: [{ ...toSubset(rule, revision), weight: 100 }],
    };
  },
  withWeights: (api, rule, { weights, header, mirror }) => ({
    ...withMirrors(api, rule, header && mirror ? [mirrorTo(rule, header, mirror)] : []),
    route: Object.entries(weights).map(([subset, weight]) => ({ ...toSubset(rule, subset), weight })),
  }),
  mirrorOf: (api, { mirrors = [] }) => mirrors.find((mirror) => isOurMirror(api, mirror))?.percentage?.value,
  plain: (api, rule) => ({ ...withMirrors(api, rule, []), route: [toSubset(rule)] }),
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

/** The rule's first destination, host and port as its author spelled them, narrowed to a subset. */
function toSubset({ route }: HttpRoute, subset?: string): Destination {
  const { weight: _weight, ...first } = route![0]!;
  const { subset: _subset, ...destination } = first.destination;
  return { ...first, destination: subset ? { ...destination, subset } : destination };
}

/** With our mirrors beside those of the rule's author. */
function withMirrors(api: PcfApi, { mirrors = [], ...rule }: HttpRoute, added: Mirror[]): HttpRoute {
  const all = [...mirrors.filter((mirror) => !isOurMirror(api, mirror)), ...added];
  return all.length > 0 ? { ...rule, mirrors: all } : rule;
}

function mirrorTo(rule: HttpRoute, subset: string, value: number): Mirror {
  return { destination: toSubset(rule, subset).destination, percentage: { value } };
}

function isOurMirror(api: PcfApi, { destination: { host, subset } }: Mirror): boolean {
  return hostsOf(api).includes(host) && subset !== undefined;
}

function headerRuleName({ metadata }: PcfApi, index: string): string {
  return `canary-header-${metadata.name}-${index}`;
}

/** How a VirtualService of the same namespace may spell our Service. */
function hostsOf({ metadata: { name, namespace } }: PcfApi): string[] {
  return ['', `.${namespace}`, `.${namespace}.svc`, `.${namespace}.svc.cluster.local`].map(
    (rest) => `${name}${rest}`,
  );
}
