/** The objects that must exist according to a plan, and those that must be deleted. */
import { isAnalysisJob } from '../analysis/job-object.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { windowEnd } from '../delivery/contract-window.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import type { MigrationJob, MigrationStage } from '../delivery/observation.js';
import { recordedAt, recordOf } from '../delivery/plan.js';
import { isObsolete } from '../delivery/preparation.js';
import { hookObject } from '../migrations/hook.js';
import { hasEnded } from '../migrations/job-view.js';
import { migrationJob } from '../migrations/migration-job.js';
import { securedBackends } from '../resources/backend-tls.js';
import { componentName, components } from '../resources/components.js';
import { configMap } from '../resources/config-map.js';
import { deployment } from '../resources/deployment.js';
import { externalSecrets } from '../resources/external-secret.js';
import {
  BackendTlsPolicyKind,
  ConfigMapKind,
  ControllerRevisionKind,
  DeploymentKind,
  DestinationRuleKind,
  GatewayKind,
  JobKind,
  PodDisruptionBudgetKind,
  ROUTES,
  ServiceKind,
  typeOf,
} from '../resources/kinds.js';
import { LABELS } from '../resources/metadata.js';
import { controllerRevision, type Revision } from '../resources/revision.js';
import { NO_REVISION, previewService } from '../resources/service.js';
import { serviceAccount } from '../resources/service-account.js';
import { surroundings } from '../resources/surroundings.js';
import { isReplacing, workerDeployments } from '../resources/worker-deployments.js';
import type { KubeObject, ResourceType } from '../runtime/kube-types.js';
import { SHARED_ROUTES } from '../traffic/index.js';
import type { RouteBackends } from '../traffic/router.js';
import { currentScaleView } from './autoscaling.js';
import type { Observed } from './observed.js';

const DEFAULT_HISTORY_LIMIT = 10;

type Owned = Observed['owned'][number];

/**
 * In the order of the writes. The route precedes the Deployments: an undo takes effect before anything else is
 * written, and the pods for a higher weight became ready before an earlier reconcile.
 */
export function desiredObjects(observed: Observed, plan: DeliveryPlan): KubeObject[] {
  const { api, router } = observed;
  const running = runningRevisions(observed, plan);
  const starting = plan.migrate ? observed.revisions.get(plan.migrate) : undefined;
  const used = [...new Set([...running, ...(starting ? [starting] : [])])];
  // The plan names a Job only until it exists: a running Job is not changed.
  const migrating =
    plan.job && observed.delivery.startable ? observed.revisions.get(plan.job.revision) : undefined;
  const routable = routableRevisions(observed, plan);
  const secured = securedBackends(
    api,
    routable.flatMap((name) => observed.revisions.get(name) ?? []),
  );
  const { userRoute } = observed;
  const auth = authBackend(observed, secured.revisions.includes(plan.position.stable ?? ''));
  const rendered = router.render(api, plan.route, routable, { userRoute, secured, auth });
  const routing = rendered.filter((object) => !isPremature(observed, object));
  return [
    serviceAccount(api),
    ...externalSecrets(api),
    ...used.flatMap((revision) => [
      controllerRevision(api, revision, recordOf(plan.position, revision.name)),
      configMap(api, revision),
    ]),
    // Written before the status: actions that depend on a position start when both have it.
    ...otherRecords(observed, plan, used).map((revision) =>
      controllerRevision(api, revision, recordOf(plan.position, revision.name)),
    ),
    ...(plan.routeWaitsFor ? routing.filter((object) => !isInEffect(observed, object)) : routing),
    ...(migrating ? [migrationObject(api, migrating, plan.job!)] : []),
    ...running.flatMap((revision) => {
      const replicas = plan.replicas[revision.name];
      return replicas === undefined ? [] : [deployment(api, revision, replicas)];
    }),
    ...preview(observed, plan),
    ...components(api, observed.revisions.get(plan.position.stable ?? ''), liveDeployments(observed)),
    ...workerDeployments(api, observed.revisions, plan.workers),
    ...surroundings(api, {
      scaledApi: observed.scaledApi,
      autoscaled: observed.foreignAutoscalers.length > 0,
      hasPodsToProtect: running.length > 0 && (observed.readyReplicas > 0 || hasBudget(observed)),
      metrics: currentScaleView(observed, plan).metrics,
    }),
  ];
}

/** Only once its Service exists: a controller rejects a route to a missing one, and the Service follows the first promotion. */
function authBackend(observed: Observed, servesHttps: boolean): RouteBackends['auth'] {
  const { api } = observed;
  const service = componentName(api, 'auth');
  const exists = isOwned(observed, ServiceKind, service);
  return api.spec.components?.auth?.enabled && exists ? { service, servesHttps } : undefined;
}

function migrationObject(api: PcfApi, revision: Revision, { stage, ...job }: MigrationJob): KubeObject {
  if (stage === 'hook') return hookObject(api, revision, job.attempt, job.run);
  return migrationJob(api, revision, { ...job, stage });
}

/** The objects that route requests: the route, even if it has yet to be created, and the Service of the API. */
function isInEffect(observed: Observed, object: KubeObject): boolean {
  const type = typeOf(object);
  if (ROUTES.includes(type)) return true;
  const { name } = observed.api.metadata;
  return type === ServiceKind && object.metadata.name === name && isOwned(observed, ServiceKind, name);
}

/**
 * The Service of the API before a revision can serve. It would have no endpoints, and each later change of its selector
 * costs requests of two controllers. One that is reachable from outside takes minutes to get an address, so it is
 * created at once, and one that exists keeps its address.
 */
function isPremature(observed: Observed, { kind, metadata, spec }: KubeObject): boolean {
  const { selector, type } = (spec ?? {}) as { selector?: Record<string, string>; type?: string };
  if (kind !== ServiceKind.kind || selector?.[LABELS.revision] !== NO_REVISION) return false;
  const isInternal = type === undefined || type === 'ClusterIP';
  return isInternal && !isOwned(observed, ServiceKind, metadata.name);
}

function hasBudget(observed: Observed): boolean {
  return isOwned(observed, PodDisruptionBudgetKind, observed.api.metadata.name);
}

function isOwned({ owned }: Observed, type: ResourceType, name: string): boolean {
  return owned.some((live) => live.type === type && live.object.metadata.name === name);
}

function preview({ api }: Observed, { position }: DeliveryPlan): KubeObject[] {
  const isPreviewed = api.spec.strategy?.type === 'BlueGreen' && position.stable && position.update;
  return isPreviewed ? [previewService(api, position.update!)] : [];
}

function liveDeployments({ owned }: Observed): KubeObject[] {
  return owned.filter(({ type }) => type === DeploymentKind).map(({ object }) => object);
}

/** The objects whose kind the cluster has, and the missing kinds of the others. */
export function writable(observed: Observed, desired: readonly KubeObject[]) {
  const types = new Map(desired.map((object) => [object.kind, typeOf(object)]));
  const missing = [...types.values()].filter((type) => !observed.available(type));
  return { objects: desired.filter(({ kind }) => !missing.includes(types.get(kind)!)), missing };
}

/** Revisions that have pods or workers. */
function runningRevisions(observed: Observed, plan: DeliveryPlan): Revision[] {
  const names = Object.keys({ ...plan.replicas, ...plan.workers });
  return names.flatMap((name) => observed.revisions.get(name) ?? []);
}

/** Revisions without pods whose records have a part of the position. Their retention does not change. */
function otherRecords(observed: Observed, plan: DeliveryPlan, used: readonly Revision[]): Revision[] {
  const recorded = recordedRevisions(observed);
  return recordedAt(plan.position)
    .filter((name) => recorded.includes(name))
    .flatMap((name) => observed.revisions.get(name) ?? [])
    .filter((revision) => !used.includes(revision));
}

/** Revisions that the router needs: those with pods, and those that the live or the planned route names. */
function routableRevisions(observed: Observed, plan: DeliveryPlan): string[] {
  const named = [plan.route, observed.delivery.route].flatMap((route) => [
    ...Object.keys(route?.weights ?? {}),
    ...(route?.header ? [route.header] : []),
  ]);
  const known = named.filter((name) => observed.revisions.has(name));
  return [...new Set([...Object.keys(plan.replicas), ...known])].sort();
}

/** Owned objects that are no longer desired. Recorded revisions and their Jobs are retained up to the history limit. */
export function unwantedObjects(
  observed: Observed,
  desired: readonly KubeObject[],
  { position }: Pick<DeliveryPlan, 'position'>,
): Owned[] {
  const desiredNames = new Set(desired.map(({ kind, metadata }) => `${kind}/${metadata.name}`));
  const history = new Set(recordedRevisions(observed));
  const deployments = liveDeployments(observed);
  return observed.owned.filter(({ type, object }) => {
    if (desiredNames.has(`${type.kind}/${object.metadata.name}`)) return false;
    if (object.metadata.deletionTimestamp) return false;
    if (type === ControllerRevisionKind) return !history.has(object.metadata.name);
    if (isRoute(type) && awaitsUserRoute(observed)) return false;
    if (type === DeploymentKind && isReplacing(observed.api, position.stable, object, deployments))
      return false;
    if (type === JobKind && isAnalysisJob(object)) return false; // deleted by its TTL
    if (type === JobKind) {
      const { [LABELS.revision]: revision = '', [LABELS.stage]: stage } = object.metadata.labels ?? {};
      if (!history.has(revision)) return true;
      return !hasEnded(object) && isObsolete(position, revision, stage as MigrationStage);
    }
    return true;
  });
}

/** Objects that routes refer to. */
const BACKEND_KINDS: readonly ResourceType[] = [
  ServiceKind,
  DestinationRuleKind,
  BackendTlsPolicyKind,
  GatewayKind,
];

/** Objects of a revision: its retirement does not consider a route of another provider. */
const REVISION_KINDS: readonly ResourceType[] = [DeploymentKind, ConfigMapKind];

/**
 * The unwanted objects that may be deleted now. A previous route, as of another provider, stays until the data plane
 * has had the time to apply the new one, and what it refers to stays as long again: the order in which the data plane
 * applies two deletions is undefined.
 */
export function removable(
  unwanted: readonly Owned[],
  { route, routeWaitsFor }: Pick<DeliveryPlan, 'route' | 'routeWaitsFor'>,
  { delivery }: Pick<Observed, 'delivery'>,
  isSettled: boolean,
): Owned[] {
  if (!route && !routeWaitsFor) return [...unwanted];
  const isInTurn = isSettled && !routeWaitsFor && delivery.route !== undefined;
  const hasRoutes = unwanted.some(({ type }) => ROUTES.includes(type));
  return unwanted.filter(({ type }) => {
    if (ROUTES.includes(type)) return isInTurn;
    if (REVISION_KINDS.includes(type)) return !hasRoutes;
    return !BACKEND_KINDS.includes(type) || (isInTurn && !hasRoutes);
  });
}

/** Our route serves until the user's own route, which replaces it, has our rules. */
function awaitsUserRoute({ api, delivery }: Observed): boolean {
  return api.spec.traffic?.routeRef !== undefined && delivery.route === undefined;
}

function isRoute(type: ResourceType): boolean {
  return SHARED_ROUTES.some((shared) => shared.type === type);
}

/** Revisions in use, targets of an undo or a retry, and the newest up to `revisionHistoryLimit`. */
export function recordedRevisions(observed: Observed): string[] {
  const { stable, update, previous, failed, contracted } = observed.delivery.position;
  const newestFirst = [...observed.revisions.values()]
    .sort((a, b) => b.number - a.number)
    .map(({ name }) => name);
  const inUse = [
    observed.delivery.target,
    stable,
    update,
    previous,
    failed?.revision,
    // Its image runs the restore or the purge.
    ...(windowEnd(observed.delivery.position) === undefined ? [] : [contracted?.revision]),
    ...observed.delivery.revisions
      .filter(({ replicas, workers }) => replicas + (workers?.replicas ?? 0) > 0)
      .map(({ name }) => name),
  ];
  return [
    ...new Set([
      ...inUse.flatMap((name) => name ?? []),
      ...newestFirst.slice(0, observed.api.spec.revisionHistoryLimit ?? DEFAULT_HISTORY_LIMIT),
    ]),
  ];
}
