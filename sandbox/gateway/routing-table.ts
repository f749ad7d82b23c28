/** Routing objects and endpoints of the cluster, updated by watches. */
import type { Logger } from 'pino';
import { CacheSet } from '../../operator/runtime/cache-set.js';
import type { KubeClient, KubeObject, ResourceType } from '../../operator/runtime/kube-client.js';
import type { ResourceCache } from '../../operator/runtime/resource-cache.js';
import type { AddressBook } from '../node/address-book.js';
import { within } from '../process/within.js';
import { WeightedChoice } from './balancer.js';
import { fromHttpRoute, fromService, fromVirtualService, type Request, routeFor, ruleFor } from './routes.js';
import type {
  Destination,
  DestinationRule,
  EndpointSlice,
  HttpRoute,
  Route,
  Rule,
  VirtualService,
} from './types.js';

const kind = (group: string, version: string, kindName: string, plural: string): ResourceType => ({
  group,
  version,
  kind: kindName,
  plural,
  namespaced: true,
});
const VirtualServiceKind = kind('networking.istio.io', 'v1', 'VirtualService', 'virtualservices');
const DestinationRuleKind = kind('networking.istio.io', 'v1', 'DestinationRule', 'destinationrules');
const HttpRouteKind = kind('gateway.networking.k8s.io', 'v1', 'HTTPRoute', 'httproutes');
const EndpointSliceKind = kind('discovery.k8s.io', 'v1', 'EndpointSlice', 'endpointslices');
const PodKind = kind('', 'v1', 'Pod', 'pods');

const BY_SERVICE = 'service';

export interface Upstreams {
  ports: number[];
  responseHeaders: [name: string, value: string][];
}

/** Called after each change of a routing object, when it is in effect. */
export type RouteListener = (object: KubeObject) => void;

export class RoutingTable {
  /** Host -> `namespace/name` of a Service, for hosts without a routing object. */
  readonly serviceHosts = new Map<string, string>();
  private readonly caches: CacheSet;
  private readonly virtualServices: ResourceCache;
  private readonly destinationRules: ResourceCache;
  private readonly httpRoutes: ResourceCache;
  private readonly slices: ResourceCache;
  private readonly pods: ResourceCache;
  private readonly listeners = new Set<RouteListener>();
  private routes: Route[] | undefined;
  private readonly choices = new Map<string, { weights: string; choice: WeightedChoice<Destination> }>();
  private turn = 0;

  constructor(
    client: KubeClient,
    logger: Logger,
    private readonly addresses: AddressBook,
  ) {
    this.caches = new CacheSet(client, logger);
    this.virtualServices = this.caches.resource(VirtualServiceKind);
    this.destinationRules = this.caches.resource(DestinationRuleKind);
    this.httpRoutes = this.caches.resource(HttpRouteKind);
    this.slices = this.caches.resource(EndpointSliceKind, { indexers: { [BY_SERVICE]: byService } });
    this.pods = this.caches.resource(PodKind);
    for (const cache of [this.virtualServices, this.destinationRules, this.httpRoutes]) {
      cache.on(({ object }) => {
        this.routes = undefined;
        for (const listener of this.listeners) listener(object);
      });
    }
  }

  async start(signal: AbortSignal): Promise<void> {
    this.caches.start(signal);
    await within('routes and endpoints are listed', this.caches.synced());
  }

  stopped(): Promise<void> {
    return this.caches.stopped();
  }

  /** Returns a function that ends the subscription. */
  onRoute(listener: RouteListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Whether a route exists for the host. */
  knows(host: string): boolean {
    return this.routeFor(host) !== undefined;
  }

  /**
   * Local ports that can serve the request, in order of preference; empty if the selected destination has no
   * ready endpoint. And the headers to add to the response.
   */
  upstreams(host: string, request: Request): Upstreams {
    const route = this.routeFor(host);
    const rule = route && ruleFor(route, request);
    const destination = rule && this.choose(`${route.key}#${route.rules.indexOf(rule)}`, rule);
    if (!destination) return { ports: [], responseHeaders: [] };
    const ports = this.endpoints(destination);
    const start = ports.length > 0 ? this.turn++ % ports.length : 0;
    return {
      ports: [...ports.slice(start), ...ports.slice(0, start)],
      responseHeaders: destination.responseHeaders ?? [],
    };
  }

  /** Local ports that receive a mirrored request. */
  mirrors(host: string, request: Request): number[] {
    const route = this.routeFor(host);
    const mirrors = (route && ruleFor(route, request)?.mirrors) ?? [];
    return mirrors
      .filter(({ weight }) => Math.random() * 100 < weight)
      .flatMap((mirror) => this.endpoints(mirror).slice(0, 1));
  }

  private routeFor(host: string): Route | undefined {
    this.routes ??= this.compile();
    const service = this.serviceHosts.get(host);
    return routeFor(this.routes, host) ?? (service ? fromService(host, service) : undefined);
  }

  private compile(): Route[] {
    const rules = this.destinationRules.list() as DestinationRule[];
    const virtualServices = (this.virtualServices.list() as VirtualService[]).map((one) =>
      fromVirtualService(one, rules),
    );
    return [...virtualServices, ...(this.httpRoutes.list() as HttpRoute[]).map(fromHttpRoute)];
  }

  private choose(key: string, rule: Rule): Destination | undefined {
    const weights = JSON.stringify(rule.destinations);
    const known = this.choices.get(key);
    if (known?.weights === weights) return known.choice.next();
    const choice = new WeightedChoice(rule.destinations, ({ weight }) => weight);
    this.choices.set(key, { weights, choice });
    return choice.next();
  }

  private endpoints({ namespace, service, labels }: Destination): number[] {
    const slices = this.slices.byIndex(BY_SERVICE, `${namespace}/${service}`) as EndpointSlice[];
    return slices.flatMap(({ endpoints = [], ports = [] }) =>
      endpoints
        .filter(
          ({ conditions, targetRef }) =>
            conditions?.ready !== false && this.hasLabels(namespace, targetRef?.name, labels),
        )
        .flatMap(({ addresses }) => this.addresses.localPort(addresses[0] ?? '', ports[0]?.port ?? 0) ?? []),
    );
  }

  private hasLabels(namespace: string, pod: string | undefined, labels: Record<string, string>): boolean {
    const wanted = Object.entries(labels);
    if (wanted.length === 0) return true;
    const has = pod ? this.pods.get(namespace, pod)?.metadata.labels : undefined;
    return wanted.every(([key, value]) => has?.[key] === value);
  }
}

function byService({ metadata }: KubeObject): string[] {
  const service = metadata.labels?.['kubernetes.io/service-name'];
  return service ? [`${metadata.namespace}/${service}`] : [];
}
