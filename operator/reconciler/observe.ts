/** Reads the caches into one picture of a PcfApi. No request leaves the process here. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import type { Observation, RevisionView } from '../delivery/types.js';
import { type MigrationView, migrationView } from '../migrations/view.js';
import {
  ControllerRevisionKind,
  DeploymentKind,
  EndpointSliceKind,
  JobKind,
  OWNED_KINDS,
  PodKind,
  SecretKind,
} from '../resources/kinds.js';
import { LABELS } from '../resources/metadata.js';
import { newRevision, type Revision, revisionName, revisionOf } from '../resources/revision.js';
import type { KubeObject, ResourceType } from '../runtime/kube-client.js';
import { routerOf } from '../traffic/index.js';
import type { TrafficRouter } from '../traffic/router.js';
import type { Caches } from './caches.js';
import { type EndpointSlice, type Pod, podTrouble, readyPods } from './pods.js';

export interface MissingSecret {
  name: string;
  /** The key that the Secret lacks; undefined when the Secret itself is not there. */
  key?: string;
}

/** Everything about one PcfApi that a reconcile needs to know. */
export interface Observed {
  api: PcfApi;
  router: TrafficRouter;
  /** Every recorded revision, and the one that the spec describes, by name. */
  revisions: Map<string, Revision>;
  /** What the planner gets to see. */
  delivery: Observation;
  migrations: Map<string, MigrationView>;
  /** Objects in the cluster that belong to this PcfApi. */
  owned: { type: ResourceType; object: KubeObject }[];
  missingSecrets: MissingSecret[];
  /** Kinds the router needs that the cluster does not have. */
  missingKinds: ResourceType[];
  /** What keeps a revision's pods from being ready, in the words of the kubelet. */
  trouble: Map<string, string>;
  readyReplicas: number;
}

export function observe(api: PcfApi, caches: Caches): Observed {
  const router = routerOf(api);
  const owned = OWNED_KINDS.flatMap((type) => caches.ownedBy(type, api).map((object) => ({ type, object })));
  const revisions = knownRevisions(api, caches);
  const pods = caches.ownedBy(PodKind, api) as Pod[];
  const slices = caches.ownedBy(EndpointSliceKind, api) as EndpointSlice[];
  const ready = new Map(
    [...revisions.keys()].map((name) => [name, readyPods(name, pods, slices, router.services(api, name))]),
  );
  const migrations = migrationsOf(api, revisions, caches, pods);
  const missingSecrets = findMissingSecrets(api, caches);
  const views = [...revisions.keys()].map((name): RevisionView => {
    const deployment = caches.get(DeploymentKind, api, name) as { spec?: { replicas?: number } } | undefined;
    return {
      name,
      replicas: deployment?.spec?.replicas ?? 0,
      ready: ready.get(name) ?? 0,
      migration: migrations.get(name)?.state ?? 'Pending',
    };
  });
  return {
    api,
    router,
    revisions,
    migrations,
    owned,
    missingSecrets,
    missingKinds: router.requires.filter((type) => !caches.available(type)),
    trouble: troubles(pods),
    readyReplicas: views.reduce((sum, view) => sum + view.ready, 0),
    delivery: {
      target: revisionName(api),
      revisions: views,
      position: api.status?.delivery ?? {},
      route: router.read(api, (type, name) => caches.get(type, api, name)),
      startable: missingSecrets.length === 0,
    },
  };
}

function knownRevisions(api: PcfApi, caches: Caches): Map<string, Revision> {
  const recorded = caches.ownedBy(ControllerRevisionKind, api).map(revisionOf);
  const revisions = new Map(recorded.map((revision) => [revision.name, revision]));
  if (!revisions.has(revisionName(api))) {
    const next = 1 + Math.max(0, ...recorded.map(({ number }) => number));
    const revision = newRevision(api, next);
    revisions.set(revision.name, revision);
  }
  return revisions;
}

function migrationsOf(api: PcfApi, revisions: Map<string, Revision>, caches: Caches, pods: Pod[]) {
  const jobs = caches.ownedBy(JobKind, api);
  return new Map([...revisions.keys()].map((name) => [name, migrationView(api, name, jobs, pods)]));
}

function troubles(pods: Pod[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const pod of pods) {
    const revision = pod.metadata.labels?.[LABELS.revision];
    const trouble = podTrouble(pod);
    if (revision && trouble) found.set(revision, trouble);
  }
  return found;
}

/** Every Secret key that a pod of this spec reads. */
export function secretRefs(spec: PcfApiSpec): { name: string; key: string }[] {
  const fromEnv = spec.env.flatMap(({ valueFrom }) => (valueFrom ? [valueFrom.secretKeyRef] : []));
  return [spec.database.secretRef, ...(spec.redis ? [spec.redis.secretRef] : []), ...fromEnv];
}

function findMissingSecrets(api: PcfApi, caches: Caches): MissingSecret[] {
  return secretRefs(api.spec).flatMap(({ name, key }): MissingSecret[] => {
    const secret = caches.get(SecretKind, api, name) as { keys?: string[] } | undefined;
    if (!secret) return [{ name }];
    return secret.keys?.includes(key) ? [] : [{ name, key }];
  });
}
