/** Converts VirtualServices, HTTPRoutes and Services to a common format. Pure. */
import { isDeepStrictEqual } from 'node:util';
import { keyOf } from '../../operator/runtime/store.js';
import type { Destination, DestinationRule, HttpRoute, Route, Rule, VirtualService } from './types.js';

export function fromVirtualService(object: VirtualService, destinationRules: DestinationRule[]): Route {
  const rules = (object.spec.http ?? []).flatMap((http): Rule[] => {
    const destinations = http.route.map(({ destination, weight, headers }) => ({
      ...serviceOf(destination.host, object.metadata.namespace ?? 'default'),
      labels: subsetLabels(destination, object, destinationRules),
      weight: weight ?? (http.route.length === 1 ? 100 : 0),
      responseHeaders: Object.entries(headers?.response?.add ?? {}),
    }));
    const mirrors = (http.mirrors ?? []).map(({ destination, percentage }) => ({
      ...serviceOf(destination.host, object.metadata.namespace ?? 'default'),
      labels: subsetLabels(destination, object, destinationRules),
      weight: percentage?.value ?? 100,
    }));
    // Matches are combined with OR; without matches everything matches.
    const matches = http.match ?? [{}];
    return matches.map(({ headers = {}, uri = {} }) => ({
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, { exact, regex }]) => [
          name.toLowerCase(),
          regex === undefined ? (exact ?? '') : whole(regex),
        ]),
      ),
      path: segments(uri.exact ?? uri.prefix),
      destinations,
      mirrors,
    }));
  });
  return { key: keyOf(object), hosts: object.spec.hosts ?? [], rules };
}

function subsetLabels(
  { host, subset }: { host: string; subset?: string },
  { metadata }: VirtualService,
  rules: DestinationRule[],
): Record<string, string> {
  if (!subset) return {};
  const { namespace = 'default' } = metadata;
  // A short name refers to a Service in the namespace of the object, for both kinds.
  const wanted = serviceOf(host, namespace);
  const rule = rules.find(
    (one) =>
      one.metadata.namespace === namespace && isDeepStrictEqual(serviceOf(one.spec.host, namespace), wanted),
  );
  // Envoy returns 503 for an undeclared subset: labels that match no pod have the same effect.
  return rule?.spec.subsets?.find(({ name }) => name === subset)?.labels ?? { 'no-such-subset': subset };
}

function serviceOf(host: string, namespace: string): { service: string; namespace: string } {
  const [service, named] = host.split('.');
  return { service: service!, namespace: named ?? namespace };
}

export function fromHttpRoute(object: HttpRoute): Route {
  const namespace = object.metadata.namespace ?? 'default';
  const rules = (object.spec.rules ?? []).flatMap((rule): Rule[] => {
    const destinations = (rule.backendRefs ?? []).map(
      (ref): Destination => ({
        namespace: ref.namespace ?? namespace,
        service: ref.name,
        labels: {},
        weight: ref.weight ?? 1,
        responseHeaders: (ref.filters ?? []).flatMap(({ responseHeaderModifier }) =>
          (responseHeaderModifier?.add ?? []).map(({ name, value }): [string, string] => [name, value]),
        ),
      }),
    );
    const mirrors = (rule.filters ?? []).flatMap(({ requestMirror }): Destination[] => {
      if (!requestMirror) return [];
      const { backendRef, percent = 100 } = requestMirror;
      return [
        {
          namespace: backendRef.namespace ?? namespace,
          service: backendRef.name,
          labels: {},
          weight: percent,
        },
      ];
    });
    const matches = rule.matches ?? [{}];
    return matches.map(({ headers = [], path }) => ({
      headers: Object.fromEntries(
        headers.map(({ type, name, value }) => [
          name.toLowerCase(),
          type === 'RegularExpression' ? whole(value) : value,
        ]),
      ),
      path: segments(path?.value),
      destinations,
      mirrors,
    }));
  });
  // The Gateway API's precedence: the longest path, then the most headers.
  rules.sort(
    (a, b) => b.path.length - a.path.length || Object.keys(b.headers).length - Object.keys(a.headers).length,
  );
  return { key: keyOf(object), hosts: object.spec.hostnames ?? [], rules };
}

/** A Service with its own host name, for a PcfApi without a router. */
export function fromService(host: string, key: string): Route {
  const [namespace, service] = key.split('/') as [string, string];
  return {
    key,
    hosts: [host],
    rules: [{ headers: {}, path: '', destinations: [{ namespace, service, labels: {}, weight: 100 }] }],
  };
}

/** Route of a host: an exact name takes precedence over a wildcard. */
export function routeFor(routes: readonly Route[], host: string): Route | undefined {
  const exact = routes.find(({ hosts }) => hosts.includes(host));
  return (
    exact ??
    routes.find(({ hosts }) => hosts.some((name) => name.startsWith('*.') && host.endsWith(name.slice(1))))
  );
}

/** The parts of a request that rules match. */
export interface Request {
  url?: string;
  headers: Record<string, string | string[] | undefined>;
}

/** The first rule that matches the request's path and headers. */
export function ruleFor(route: Route, { url = '/', headers }: Request): Rule | undefined {
  const path = `${url.split('?')[0]}/`;
  return route.rules.find(
    (rule) =>
      path.startsWith(`${rule.path}/`) &&
      Object.entries(rule.headers).every(([name, value]) => {
        const given = headers[name];
        return typeof value === 'string' ? given === value : typeof given === 'string' && value.test(given);
      }),
  );
}

/** Envoy compares the whole value with an expression. */
function whole(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`);
}

/** A path prefix without its trailing slash. */
function segments(path = '/'): string {
  return path.replace(/\/$/, '');
}
