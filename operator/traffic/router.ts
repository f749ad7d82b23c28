/**
 * A traffic router: turns "who gets what" into objects and reads it back. One
 * file a provider. After Flagger's router Interface, but pure: no client in it.
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { ALL_REVISIONS, serviceRevision } from '../delivery/revisions.js';
import type { RouteView } from '../delivery/types.js';
import type { SecuredBackends } from '../resources/backend-tls.js';
import { ServiceKind } from '../resources/kinds.js';
import { LABELS } from '../resources/metadata.js';
import { NO_REVISION, service } from '../resources/service.js';
import type { KubeObject, ResourceType } from '../runtime/kube-client.js';
import type { SharedRoute } from './shared.js';

/** Requests with this header always reach the new revision, once it has a ready pod. */
export function canaryHeader({ spec }: PcfApi): { name: string; value: string } {
  return spec.strategy?.canary?.header ?? { name: 'x-canary', value: 'true' };
}

/** Reads an object of this PcfApi from a cache. */
export type ReadObject = (type: ResourceType, name: string) => KubeObject | undefined;

/** Objects in the cluster that a route depends on. */
export interface RouteBackends {
  /** The live object that `traffic.routeRef` names. */
  userRoute?: KubeObject;
  /** Revisions whose pods serve HTTPS. */
  secured?: SecuredBackends;
  /**
   * The Service of the auth component, if it exists. It has one revision, so neither weight nor header applies
   * to the requests under `PATHS.auth` that are routed to it.
   */
  auth?: { service: string; servesHttps: boolean };
}

export interface TrafficRouter {
  /** `exact`: requests are split by weight; `replicas`: by the number of ready pods. */
  readonly split: 'exact' | 'replicas';
  /** Kinds that must be installed in the cluster for this router to work. */
  requires(api: PcfApi): readonly ResourceType[];
  /**
   * Services whose endpoints must be ready before a pod of the revision counts
   * as one that can be sent a request.
   */
  services(api: PcfApi, revision: string): string[];
  /**
   * The objects for this route, in the order they must be written: the objects that a
   * route refers to come first. `kept` are the revisions that have pods.
   */
  render(
    api: PcfApi,
    route: RouteView | undefined,
    kept: readonly string[],
    backends?: RouteBackends,
  ): KubeObject[];
  /** The route in force as the caches show it; undefined when there is none. */
  read(api: PcfApi, object: ReadObject): RouteView | undefined;
  /** Message of the controller that rejects the live route; undefined if it accepts the route or reports nothing. */
  rejection?(route: KubeObject): string | undefined;
  /** How a route of the user's own is made to follow; undefined: this provider has none. */
  readonly shared?: SharedRoute;
}

/** The revision that the live Service selects; undefined: all of them. A missing Service counts as one without endpoints. */
export function selectedRevision(api: PcfApi, object: ReadObject): string | undefined {
  const found = object(ServiceKind, api.metadata.name) as
    | { spec?: { selector?: Record<string, string> } }
    | undefined;
  return found ? found.spec?.selector?.[LABELS.revision] : NO_REVISION;
}

/** The Service of the API in addition to a route that splits requests by weight. */
export function serviceUnder(api: PcfApi, route: RouteView | undefined): KubeObject {
  const selected = (route && serviceRevision(route)) ?? NO_REVISION;
  return service(api, selected === ALL_REVISIONS ? undefined : selected);
}

/** Adds the selection of the live Service to a route, if it does not follow from the weights. */
export function withService(
  api: PcfApi,
  object: ReadObject,
  route: RouteView | undefined,
): RouteView | undefined {
  if (!route) return undefined;
  const selected = selectedRevision(api, object) ?? ALL_REVISIONS;
  return serviceRevision(route) === selected ? route : { ...route, service: selected };
}

/** `namespace/name`, or `name` in the PcfApi's own namespace. */
export function splitGateway(api: PcfApi, gateway: string): { namespace: string; name: string } {
  const [first, second] = gateway.split('/');
  return second ? { namespace: first!, name: second } : { namespace: api.metadata.namespace, name: first! };
}
