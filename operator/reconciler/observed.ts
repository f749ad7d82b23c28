/** The observed state of one PcfApi, from which a reconcile works. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { Observation } from '../delivery/observation.js';
import type { Gate } from '../delivery/windows/gate.js';
import type { Run } from '../migrations/live-reports.js';
import type { MigrationView } from '../migrations/migration-view.js';
import type { ExtraComponent } from '../resources/components.js';
import type { Revision } from '../resources/revision.js';
import type { ScaleMetric } from '../resources/scale-view.js';
import type { KubeObject, ResourceType } from '../runtime/kube-client.js';
import type { KeySource } from '../signing-keys/source.js';
import type { RouteLimits } from '../traffic/route-limits.js';
import type { TrafficRouter } from '../traffic/router.js';
import type { Caches } from './caches.js';
import type { HostConflict } from './host-conflict.js';
import type { PodlessJob } from './pod-creation.js';
import type { PodCreationReport } from './pod-creation-events.js';
import type { MissingSecret } from './secret-digests.js';

/** The observed state of one PcfApi. */
export interface Observed {
  api: PcfApi;
  /** The PcfApi as autoscalers read it, see `withStableScaling`. */
  scaledApi: PcfApi;
  router: TrafficRouter;
  /** Every known revision, including the one that the spec describes, by name. */
  revisions: Map<string, Revision>;
  /** The input of the planner, except the age of the route, which is not in a cache. */
  delivery: Omit<Observation, 'routeAgeMs'>;
  migrations: Map<string, MigrationView>;
  /** Pods that run migrations. */
  migrating: Run[];
  /** Jobs without a pod. */
  podless: PodlessJob[];
  /** Reports on Jobs that have had no pod for some seconds, by name. */
  withoutPod: Map<string, PodCreationReport>;
  /** Why a controller can't create pods, by the Deployment or Job that owns them. */
  uncreated: Map<string, string>;
  /** Objects in the cluster that belong to this PcfApi. */
  owned: { type: ResourceType; object: KubeObject }[];
  missingSecrets: MissingSecret[];
  /** The signing keys that the operator rotates, if the spec requires it. */
  signingKeys?: KeySource;
  /** Kinds that the router needs and the cluster does not have. */
  missingKinds: ResourceType[];
  /** A feature that the spec requires and the class of a Gateway does not support. */
  unsupportedFeature?: string;
  /** The user's own route of `traffic.routeRef`; undefined if it does not exist, or is not set. */
  userRoute: KubeObject | undefined;
  /** Rules that {@link userRoute} cannot have. */
  routeLimits?: RouteLimits;
  /** The route that serves: the user's own, or the operator's. */
  liveRoute: KubeObject | undefined;
  /** Other routes for the same hosts. */
  hostConflicts: HostConflict[];
  /** Whether the cluster has a kind. */
  available: (type: ResourceType) => boolean;
  /** HorizontalPodAutoscalers on this PcfApi that the operator did not create. */
  foreignAutoscalers: Autoscaler[];
  /** Why pods of a revision are not ready, or its migrations do not start, by revision: the message of the kubelet. */
  trouble: Map<string, string>;
  /** Why an enabled component does not run. */
  componentTroubles: { component: ExtraComponent; trouble: string }[];
  readyReplicas: number;
  /** Whether `spec.replicas` has the default of an autoscaler that no longer exists. `api` is without it. */
  obsoleteReplicas: boolean;
  /** Undefined without windows and freezes. */
  gate?: Gate;
  /** Whether this operator serves approval links. */
  hasApprovalLinks?: boolean;
}

export interface Autoscaler {
  name: string;
  metrics: ScaleMetric[];
}

/** The part of the caches that {@link observe} reads. */
export type ClusterView = Pick<
  Caches,
  | 'userRoute'
  | 'get'
  | 'ownedBy'
  | 'secret'
  | 'available'
  | 'foreignAutoscalers'
  | 'claimants'
  | 'gatewayClasses'
>;
