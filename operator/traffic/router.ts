/**
 * A traffic router: converts a route to objects and back, with one file per provider. Like the router
 * interface of Flagger, but pure: without a client.
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { RouteView } from '../delivery/observation.js';
import type { SecuredBackends } from '../resources/backend-tls.js';
import type { KubeObject, ResourceType } from '../runtime/kube-client.js';
import type { ReadObject } from './route-objects.js';
import type { SharedRoute } from './shared.js';

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
   * Objects of this route in the order of writes: objects that a route refers to come first. `kept`:
   * revisions with pods.
   */
  render(
    api: PcfApi,
    route: RouteView | undefined,
    kept: readonly string[],
    backends?: RouteBackends,
  ): KubeObject[];
  /** The route in effect according to the caches; undefined if there is none. */
  read(api: PcfApi, object: ReadObject): RouteView | undefined;
  /** Message of the controller that rejects the live route; undefined if it accepts the route or reports nothing. */
  rejection?(route: KubeObject): string | undefined;
  /** Support for existing routes; undefined: the provider does not support them. */
  readonly shared?: SharedRoute;
}
