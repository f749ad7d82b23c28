/** Reads one PcfApi and its objects from the caches. Sends no request. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import type { Failure, RevisionView, RouteView } from '../delivery/observation.js';
import { latestContract } from '../delivery/recorded-position.js';
import type { LiveReports } from '../migrations/job-view.js';
import { runsOf } from '../migrations/live-reports.js';
import { type MigrationView, migrationView } from '../migrations/migration-view.js';
import { isWorkerDelivered } from '../resources/component-autoscaler.js';
import { EXTRA_COMPONENTS, lacksRedis } from '../resources/components.js';
import {
  BACKUP_KINDS,
  BackendTlsPolicyKind,
  ControllerRevisionKind,
  DeploymentKind,
  EndpointSliceKind,
  JobKind,
  OWNED_KINDS,
  PodKind,
} from '../resources/kinds.js';
import { LABELS } from '../resources/metadata.js';
import { readRecord } from '../resources/position-record.js';
import type { Revision } from '../resources/revision.js';
import { withStableScaling } from '../resources/revision-scaling.js';
import type { ScaleMetric } from '../resources/scale-view.js';
import { workerName } from '../resources/worker-deployments.js';
import type { KubeObject } from '../runtime/kube-client.js';
import { keySourceOf } from '../signing-keys/source.js';
import { unsupportedFeatures } from '../traffic/gateway-features.js';
import { routerOf } from '../traffic/index.js';
import type { RouteLimits } from '../traffic/route-limits.js';
import { hasObsoleteReplicas } from './autoscaling.js';
import { updatingDeployments } from './component-rollout.js';
import { hostConflicts } from './host-conflict.js';
import { revisionsOf, stableInputs } from './known-revisions.js';
import type { Autoscaler, ClusterView, Observed } from './observed.js';
import { podlessJobs, replicaFailure } from './pod-creation.js';
import type { PodCreationReport } from './pod-creation-events.js';
import {
  componentTrouble,
  type EndpointSlice,
  isOfJob,
  jobPodFailure,
  livingPods,
  type Pod,
  podFailure,
  podTrouble,
  readiness,
  readyWorkers,
} from './pod-state.js';
import { routeTrouble } from './route-trouble.js';
import { missingSecrets, secretsHash } from './secret-digests.js';

/** `live` has the last reports of running migrations; `creation` reports on a Job without a pod, by its uid. */
export function observe(
  given: PcfApi,
  caches: ClusterView,
  live?: LiveReports,
  creation: (uid: string) => PodCreationReport | undefined = () => undefined,
): Observed {
  const { api, scaledApi, obsoleteReplicas } = scaledViews(given, caches);
  const router = routerOf(api);
  const { routeRef } = api.spec.traffic ?? {};
  const owned = OWNED_KINDS.flatMap((type) => caches.ownedBy(type, api).map((object) => ({ type, object })));
  const secret = (name: string) => caches.secret(api, name);
  const { target, all: revisions } = revisionsOf(api, caches, secretsHash(api, secret));
  const records = new Map(
    caches.ownedBy(ControllerRevisionKind, api).map((object) => [object.metadata.name, readRecord(object)]),
  );
  const pods = caches.ownedBy(PodKind, api) as Pod[];
  const slices = caches.ownedBy(EndpointSliceKind, api) as EndpointSlice[];
  const position = api.status?.delivery ?? {};
  const route = readRoute({ api, router }, caches);
  const jobs = caches.ownedBy(JobKind, api);
  const podless = podlessJobs(jobs, pods);
  const withoutPod = new Map(
    podless.flatMap(({ name, uid }) => {
      const report = creation(uid);
      return report ? [[name, report] as const] : [];
    }),
  );
  const uncreated = uncreatedPods(caches.ownedBy(DeploymentKind, api), withoutPod);
  const contracted = latestContract(position.contracted, [...records.values()]);
  const migrations = migrationsOf({ api, contracted }, revisions, caches, pods, live, uncreated);
  const missing = missingSecrets(api, secret);
  const living = livingPods(pods);
  const views = [...revisions.keys()].map((name): RevisionView => {
    const deployment = caches.get(DeploymentKind, api, name) as { spec?: { replicas?: number } } | undefined;
    return {
      name,
      replicas: deployment?.spec?.replicas ?? 0,
      ...readiness(name, pods, slices, router.services(api, name), isServing(name, position, route)),
      pods: living.get(name) ?? 0,
      number: revisions.get(name)!.number,
      image: revisions.get(name)!.image,
      record: records.get(name),
      failure:
        migrationFailure(migrations.get(name), pods) ??
        podFailure(name, pods) ??
        workerFailure(api, name, pods),
      workers: workersOf(api, revisions.get(name)!, caches, pods),
      ...migrationOf(migrations.get(name)!),
    };
  });
  const userRoute = routeRef && router.shared && caches.userRoute(router.shared.type, api, routeRef.name);
  const liveRoute = userRoute ?? (router.shared && caches.get(router.shared.type, api, api.metadata.name));
  const unsupportedFeature = unsupportedFeatures(api, caches.gatewayClasses(api, userRoute));
  const routeLimits = userRoute && router.shared?.limits(api, userRoute);
  const missingKinds = router.requires(api).filter((type) => !caches.available(type));
  return {
    api,
    scaledApi,
    obsoleteReplicas,
    router,
    revisions,
    migrations,
    migrating: runsOf(pods),
    ...{ podless, withoutPod, uncreated },
    owned,
    missingSecrets: missing,
    signingKeys: keySourceOf(api, secret),
    foreignAutoscalers: caches.foreignAutoscalers(api).map(autoscalerOf),
    userRoute,
    liveRoute,
    hostConflicts: hostConflicts(api, liveRoute, (claim) =>
      router.shared ? caches.claimants(router.shared.type, claim) : [],
    ),
    available: (type) => caches.available(type),
    missingKinds,
    unsupportedFeature,
    routeLimits,
    trouble: new Map([
      ...creationTroubles(uncreated, revisions.keys(), migrations),
      ...troubles(pods, migrations),
    ]),
    componentTroubles: componentTroubles(api, pods),
    readyReplicas: views.reduce((sum, view) => sum + view.ready, 0),
    delivery: {
      target: target.name,
      revisions: views,
      unrecorded: [...living.keys()].filter((name) => !revisions.has(name)),
      updating: updatingDeployments(api, caches),
      position,
      route,
      routeRejected: liveRoute && router.rejection?.(liveRoute),
      routeTrouble: routeTrouble({ api, router, missingKinds, userRoute }),
      // A gateway without the policy sends plain HTTP to pods that serve HTTPS.
      startable: missing.length === 0 && !missingKinds.includes(BackendTlsPolicyKind),
      isUnsupported:
        unsupportedFeature !== undefined || holdsStart(routeLimits, target.name, position, views),
    },
  };
}

/** The PcfApi as the planner and as autoscalers read it. */
function scaledViews(given: PcfApi, caches: ClusterView) {
  const scaledApi = withStableScaling(given, stableInputs(given, caches));
  const obsoleteReplicas = hasObsoleteReplicas(scaledApi, caches.foreignAutoscalers(given));
  if (!obsoleteReplicas) return { api: given, scaledApi, obsoleteReplicas };
  // The default depends on the environment, which may have changed since.
  const withoutReplicas = (api: PcfApi): PcfApi => ({ ...api, spec: { ...api.spec, replicas: undefined } });
  return { api: withoutReplicas(given), scaledApi: withoutReplicas(scaledApi), obsoleteReplicas };
}

/** The route in the caches now. They contain accepted writes, and no rejected ones. */
export function readRoute(
  { api, router }: Pick<Observed, 'api' | 'router'>,
  caches: Pick<ClusterView, 'get' | 'userRoute'>,
): RouteView | undefined {
  const isUsers = api.spec.traffic?.routeRef !== undefined;
  return router.read(api, (type, name) =>
    isUsers && type === router.shared?.type ? caches.userRoute(type, api, name) : caches.get(type, api, name),
  );
}

/** Undefined if the worker is not part of the delivery. */
function workersOf(
  api: PcfApi,
  revision: Revision,
  caches: Pick<ClusterView, 'get'>,
  pods: readonly Pod[],
): RevisionView['workers'] {
  if (!isWorkerDelivered(api.spec)) return undefined;
  const deployment = caches.get(DeploymentKind, api, workerName(revision.name)) as
    | { spec?: { replicas?: number } }
    | undefined;
  return {
    replicas: deployment?.spec?.replicas ?? 0,
    ready: readyWorkers(revision.name, pods),
    ...(lacksRedis(api, revision) ? { lacksRedis: true } : {}),
  };
}

/** A worker that runs only after the promotion does not fail the delivery. */
function workerFailure({ spec }: PcfApi, revision: string, pods: readonly Pod[]): Failure | undefined {
  return isWorkerDelivered(spec) ? podFailure(revision, pods, 'worker') : undefined;
}

/**
 * Whether the rules that a route cannot have hold a new revision. A delivery whose pods were started continues without
 * these rules, and a first revision needs none.
 */
function holdsStart(
  { header, sticky }: RouteLimits = {},
  target: string,
  { stable, update }: DeliveryPosition,
  revisions: readonly RevisionView[],
): boolean {
  const isLimited = header !== undefined || sticky !== undefined;
  const isStarted =
    update === target && revisions.some(({ name, replicas }) => name === update && replicas > 0);
  return isLimited && stable !== undefined && target !== stable && !isStarted;
}

/** Whether a revision receives requests, including those by a route of another provider. */
function isServing(name: string, position: DeliveryPosition, route: RouteView | undefined): boolean {
  const { stable, update, firstTrafficAt } = position;
  return (
    name === stable || (name === update && firstTrafficAt !== undefined) || (route?.weights[name] ?? 0) > 0
  );
}

function autoscalerOf(object: KubeObject): Autoscaler {
  const { metadata, spec } = object as KubeObject & { spec?: { metrics?: ScaleMetric[] } };
  return { name: metadata.name, metrics: spec?.metrics ?? [] };
}

function migrationsOf(
  { api, contracted }: { api: PcfApi; contracted: DeliveryPosition['contracted'] },
  revisions: Map<string, Revision>,
  caches: ClusterView,
  pods: Pod[],
  live: LiveReports | undefined,
  uncreated: ReadonlyMap<string, string>,
) {
  const jobs = [JobKind, ...BACKUP_KINDS].flatMap((type) => caches.ownedBy(type, api));
  const { update, attempt, rerunMigrations, promotedAt, knownMigrations } = api.status?.delivery ?? {};
  const recordedOf = (name: string) => knownMigrations?.find(({ revision }) => revision === name);
  const attemptOf = (name: string) => (name === update ? (attempt ?? 1) : undefined);
  const viewOf = (name: string) =>
    migrationView(api, name, jobs, pods, {
      attempt: attemptOf(name),
      rerunMigrations: name === update && rerunMigrations,
      promotedAt,
      recorded: recordedOf(name),
      contracted,
      live,
    });
  return new Map(
    [...revisions.keys()].map((name) => [name, withContractTrouble(viewOf(name), pods, uncreated)]),
  );
}

/** No pod waits for contract, so nothing else reports why its pod does not start. */
function withContractTrouble(
  view: MigrationView,
  pods: Pod[],
  uncreated: ReadonlyMap<string, string>,
): MigrationView {
  const { contract, contractError, job } = view;
  const { state, hook, window } = contract;
  const runs = [state, hook, window?.restore, window?.purge].includes('Running');
  if (!runs || !job || contractError) return view;
  const [ofPod] = pods.flatMap((pod) => (isOfJob(pod, job) && podTrouble(pod)) || []);
  const trouble = ofPod ?? uncreated.get(jobKey(job));
  return trouble ? { ...view, contractError: trouble } : view;
}

/** The part that the planner reads. */
function migrationOf(view: MigrationView) {
  const { state: migration, nextStage, nextAttempt, contracts, ahead, unreported, backfill, progress } = view;
  const { contract, failedMigrations, lastMigration, schemaCheck, jobs } = view;
  return {
    ...{ migration, nextStage, nextAttempt, contracts, ahead, unreported, backfill, progress },
    ...{ contract, failedMigrations, lastMigration, schemaCheck, jobs },
  };
}

/** The pod of the migrations is the first one that pulls the image of a revision. */
function migrationFailure(migration: MigrationView | undefined, pods: Pod[]): Failure | undefined {
  const job = preparing(migration);
  if (job) return jobPodFailure(job, pods);
  if (migration?.state !== 'Failed') return undefined;
  const refused = migration.report?.outcome === 'refused';
  return {
    reason: refused ? 'MigrationRefused' : 'MigrationFailed',
    message: `its migrations failed: ${migration.error}`,
  };
}

/** The Job that pods wait for. None waits for contract or its hook. */
function preparing(migration: MigrationView | undefined): string | undefined {
  const { state, stage, job } = migration ?? {};
  const prepares = stage === 'plan' || stage === 'expand' || stage === 'backfill';
  return state === 'Running' && prepares ? job : undefined;
}

function componentTroubles({ spec }: PcfApi, pods: Pod[]): Observed['componentTroubles'] {
  return EXTRA_COMPONENTS.filter((component) => spec.components?.[component]?.enabled).flatMap(
    (component) => {
      const trouble = componentTrouble(component, pods);
      return trouble ? [{ component, trouble }] : [];
    },
  );
}

function uncreatedPods(
  deployments: readonly KubeObject[],
  withoutPod: ReadonlyMap<string, PodCreationReport>,
): Map<string, string> {
  const ofDeployments = deployments.map((one) => [`Deployment ${one.metadata.name}`, replicaFailure(one)]);
  const ofJobs = [...withoutPod].map(([name, { failure }]) => [jobKey(name), failure]);
  const found = [...ofDeployments, ...ofJobs].flatMap(([object = '', why]) =>
    why ? [[object, `pods of ${object} cannot be created: ${why}`] as const] : [],
  );
  return new Map(found);
}

const jobKey = (name: string) => `Job ${name}`;

/** Creation failures by revision: of its Deployment, or of the Job that its pods wait for. */
function creationTroubles(
  uncreated: ReadonlyMap<string, string>,
  revisions: Iterable<string>,
  migrations: ReadonlyMap<string, MigrationView>,
): [string, string][] {
  return [...revisions].flatMap((name): [string, string][] => {
    const job = preparing(migrations.get(name));
    const why = uncreated.get(job ? jobKey(job) : `Deployment ${name}`);
    return why ? [[name, why]] : [];
  });
}

function troubles(pods: Pod[], migrations: Map<string, MigrationView>): Map<string, string> {
  const found = new Map<string, string>();
  for (const pod of pods) {
    const { [LABELS.revision]: revision = '', [LABELS.component]: component } = pod.metadata.labels ?? {};
    const job = preparing(migrations.get(revision));
    const awaited = component === 'migration' ? job && isOfJob(pod, job) : component === 'api' && !job;
    const trouble = awaited && podTrouble(pod);
    if (revision && trouble) found.set(revision, trouble);
  }
  return found;
}
