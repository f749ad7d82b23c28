/** Converts the route of a workload: hosts and gateways if it is plain, otherwise a reference to it. */
import type { Conversion } from '../conversion.js';
import type { Field } from '../source.js';

export type RouteKind = 'VirtualService' | 'HTTPRoute';
/** Backends of a plain route: the stable and the new revision. A further one is another workload. */
const REVISIONS = 2;
const PROVIDERS = { VirtualService: 'Istio', HTTPRoute: 'GatewayAPI' } as const;

/**
 * Sets `spec.traffic` for a route that the old controller changed. `reference`: the field that names it.
 * A route in the input with a single rule for all requests is replaced; any other is kept, with `routeRef`.
 */
export function convertRoute(conversion: Conversion, kind: RouteKind, reference: Field): void {
  const { spec } = conversion;
  const name = reference.text();
  const route = conversion.find(kind, name);
  const provider = PROVIDERS[kind];
  const replaced = route && (kind === 'VirtualService' ? virtualService(route) : httpRoute(route));
  if (route && replaced) {
    spec.set(['traffic'], { provider, ...replaced }, reference);
    route.note(
      'Changed',
      `the operator creates a ${kind} with the same hosts and gateways`,
      'delete this one when it has no traffic',
    );
    return;
  }
  spec.set(['traffic'], { provider, routeRef: { name } }, reference);
  const why = `the operator sets the weights of rules whose only backend is the Service of the PcfApi`;
  const instead = `route the rules of ${kind} ${name} to that Service before the next delivery`;
  reference.note('Changed', why, instead);
  route?.note('Changed', why, instead);
}

interface PlainRoute {
  hosts: string[];
  gateways: string[];
}

/** Hosts and gateways of a VirtualService without matches and settings. */
function virtualService(route: Field): PlainRoute | undefined {
  const spec = route.at('spec');
  const rules = spec.at('http').items();
  const isPlain =
    spec.hasOnly('hosts', 'gateways', 'http') &&
    rules.length === 1 &&
    rules[0]!.hasOnly('name', 'route') &&
    rules[0]!.at('route').items().length <= REVISIONS;
  const hosts = externalHosts(spec.at('hosts'));
  const isForAll = values(spec.at('hosts')).includes('*');
  if (!isPlain || isForAll || hosts.length === 0) return undefined;
  const gateways = values(spec.at('gateways')).filter((gateway) => gateway !== 'mesh');
  return { hosts, gateways };
}

/** Host names and Gateways of an HTTPRoute without matches, filters and settings. */
function httpRoute(route: Field): PlainRoute | undefined {
  const spec = route.at('spec');
  const rules = spec.at('rules').items();
  const parents = spec.at('parentRefs').items();
  const isPlain =
    spec.hasOnly('parentRefs', 'hostnames', 'rules') &&
    rules.length === 1 &&
    rules[0]!.hasOnly('name', 'backendRefs', 'matches') &&
    rules[0]!.at('backendRefs').items().length <= REVISIONS &&
    rules[0]!.at('matches').items().every(matchesAll) &&
    parents.every(isGateway);
  const hosts = values(spec.at('hostnames'));
  if (!isPlain || hosts.length === 0 || parents.length === 0) return undefined;
  return { hosts, gateways: parents.map(gatewayName) };
}

function matchesAll(match: Field): boolean {
  const path = match.at('path', 'value').value;
  return match.hasOnly('path') && path === '/' && match.at('path', 'type').value !== 'Exact';
}

/** Whether a parentRef names a Gateway as a whole. */
export function isGateway(parent: Field): boolean {
  return (
    parent.hasOnly('group', 'kind', 'name', 'namespace') &&
    ['Gateway', undefined].includes(parent.at('kind').value as string)
  );
}

/** `namespace/name` of a parentRef. */
export function gatewayName(parent: Field): string {
  const [name, namespace] = [parent.at('name').value, parent.at('namespace').value];
  return namespace ? `${namespace}/${name}` : String(name);
}

/** Hosts that are not names of Services in the cluster, which the operator routes in addition. */
export function externalHosts(hosts: Field): string[] {
  return values(hosts).filter((host) => host.includes('.') && !/\.svc(\.cluster\.local)?$/.test(host));
}

function values(list: Field): string[] {
  return [...new Set(list.items().map(({ value }) => String(value)))];
}
