/** The picture of one PcfApi that a reconcile works from. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { Observation } from '../delivery/observation.js';
import type { Run } from '../migrations/live-reports.js';
import type { MigrationView } from '../migrations/migration-view.js';
import type { ExtraComponent } from '../resources/components.js';
import type { Revision } from '../resources/revision.js';
import type { ScaleMetric } from '../resources/scale-view.js';
import type { KubeObject, ResourceType } from '../runtime/kube-client.js';
import type { TrafficRouter } from '../traffic/router.js';
import type { Caches } from './caches.js';
import type { HostConflict } from './host-conflict.js';
import type { PodlessJob } from './pod-creation.js';
import type { PodCreationReport } from './pod-creation-events.js';
import type { MissingSecret } from './secret-digests.js';

/** Everything about one PcfApi that a reconcile needs to know. */
export interface Observed {
  api: PcfApi;
  router: TrafficRouter;
  /** Every recorded revision, and the one that the spec describes, by name. */
  revisions: Map<string, Revision>;
  /** What the planner gets to see, but for the age of the route, which no cache knows. */
  delivery: Omit<Observation, 'routeAgeMs'>;
  migrations: Map<string, MigrationView>;
  /** Pods that migrate now. */
  migrating: Run[];
  /** Jobs that have no pod. */
  podless: PodlessJob[];
  /** Reports on Jobs that have had no pod for some seconds, by name. */
  withoutPod: Map<string, PodCreationReport>;
  /** Why a controller can't create pods, by the Deployment or Job that owns them. */
  uncreated: Map<string, string>;
  /** Objects in the cluster that belong to this PcfApi. */
  owned: { type: ResourceType; object: KubeObject }[];
  missingSecrets: MissingSecret[];
  /** Kinds the router needs that the cluster does not have. */
  missingKinds: ResourceType[];
  /** The route of the user's own that is to follow; undefined when it is not there, or none is named. */
  userRoute: KubeObject | undefined;
  /** The route that serves: the user's own, or the operator's. */
  liveRoute: KubeObject | undefined;
  /** Other routes for the same hosts. */
  hostConflicts: HostConflict[];
  /** Whether the cluster has a kind. */
  available: (type: ResourceType) => boolean;
  /** HorizontalPodAutoscalers on this PcfApi that the operator did not create. */
  foreignAutoscalers: Autoscaler[];
  /** What keeps a revision's pods from being ready, or its migrations from beginning, in the words of the kubelet. */
  trouble: Map<string, string>;
  /** Why an enabled component does not run. */
  componentTroubles: { component: ExtraComponent; trouble: string }[];
  readyReplicas: number;
  /** Whether `spec.replicas` has the default of an autoscaler that no longer exists. `api` is without it. */
  obsoleteReplicas?: boolean;
}

export interface Autoscaler {
  name: string;
  metrics: ScaleMetric[];
}

/** What {@link observe} asks of the caches. */
export type ClusterView = Pick<
  Caches,
  'userRoute' | 'get' | 'ownedBy' | 'secret' | 'available' | 'foreignAutoscalers' | 'claimants'
>;
