/** observe -> plan -> act -> report. Thin: what to do is decided in delivery/, what to write in resources/ and traffic/. */
import type { Logger } from 'pino';
import type { Analyst } from '../analysis/analyst.js';
import { isReplicasDefault } from '../api/v1alpha1/defaults.js';
import { API_VERSION, FIELD_MANAGER, FINALIZER, KIND, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import { withinBounds } from '../api/v1alpha1/status/within-bounds.js';
import type { DeliveryPosition, PcfApiStatus } from '../api/v1alpha1/status.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import { inEffect, plan } from '../delivery/plan.js';
import type { FinishedJobs } from '../migrations/finished-jobs.js';
import type { MigrationProgress } from '../migrations/live-reports.js';
import { deliveryEvents } from '../notify/delivery-events.js';
import type { Notifier } from '../notify/notifier.js';
import type { Reporter } from '../notify/reporter.js';
import { PcfApiKind, ROUTES } from '../resources/kinds.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import { ReconcileError } from '../runtime/controller.js';
import type { EventRecorder } from '../runtime/events.js';
import { isForbidden, isInvalid, isNotFound, type KubeClient } from '../runtime/kube-client.js';
import { keyOf } from '../runtime/store.js';
import { type Actor, type Applied, naming, type Repair } from './act.js';
import { type Announcement, announcements } from './announce.js';
import { whoDecided } from './attribution.js';
import type { Caches } from './caches.js';
import { analyse } from './delivery-analysis.js';
import type { DeliveryMetrics } from './delivery-metrics.js';
import { desiredObjects, removable, unwantedObjects, writable } from './desired.js';
import { endedDeliveries } from './history.js';
import { concerns, isAutoscaled, repairLoops } from './issues.js';
import { observe, readRoute } from './observe.js';
import type { Observed } from './observed.js';
import {
  bounded,
  facing,
  failureOf,
  failureReport,
  type Obstacle,
  obstacleOf,
  RETRY_WITHIN_MS,
  StatusRejectedError,
} from './obstacle.js';
import type { Metrics } from './pcfapi-metrics.js';
import { failedStatus, leavingStatus, statusOf } from './pcfapi-status.js';
import type { PodCreationEvents } from './pod-creation-events.js';
import { RouteAges } from './route-age.js';
import { deliverySettings } from './strategies.js';
import { reasonSince, type Summary, summarize } from './summary.js';
import { followingEdit, releasingEdits } from './user-routes.js';

/** Finalizer of `kubectl delete --cascade=orphan`: pods, Services and routes remain, and continue to serve. */
const ORPHAN_FINALIZER = 'orphan';

export interface ReconcilerDependencies {
  client: KubeClient;
  caches: Caches;
  actor: Actor;
  events: EventRecorder;
  analyst: Analyst;
  notifier: Notifier;
  reporter: Reporter;
  migrationProgress: MigrationProgress;
  finishedJobs: FinishedJobs;
  podCreation: PodCreationEvents;
  metrics: Metrics;
  deliveryMetrics: DeliveryMetrics;
  logger: Logger;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

export class Reconciler {
  /** PcfApis whose status waits for the next reconcile. */
  private readonly waiting = new Set<string>();
  private readonly routeAges = new RouteAges();

  constructor(private readonly deps: ReconcilerDependencies) {}

  /** Brings one PcfApi a step nearer to what it asks for. `key` is `namespace/name`. */
  async reconcile(key: string): Promise<{ requeueAfterMs?: number }> {
    const { caches, metrics } = this.deps;
    const [namespace, name] = key.split('/') as [string, string];
    const api = caches.pcfApis.get(namespace, name) as PcfApi | undefined;
    if (!api) {
      metrics.forget(namespace, name);
      this.deps.deliveryMetrics.forget(namespace, name);
      this.deps.actor.forget(key);
      this.deps.analyst.forget(key);
      this.deps.migrationProgress.follow(key, []);
      this.deps.finishedJobs.forget(key);
      this.deps.podCreation.follow(key, []);
      this.deps.reporter.forget(key);
      this.waiting.delete(key);
      this.routeAges.forget(key);
      return {};
    }
    try {
      return await this.bring(api);
    } catch (error) {
      await this.reportFailure(api, error);
      throw bounded(error);
    }
  }

  /** Reports a failed reconcile: otherwise the status of the generation before would remain. */
  private async reportFailure(api: PcfApi, error: unknown): Promise<void> {
    const { caches, clock, logger } = this.deps;
    const failure = failureReport(error);
    if (!failure) return;
    // It may have failed after it wrote a status, which has the newest position of the delivery.
    const { namespace, name } = api.metadata;
    const newest = caches.pcfApis.get(namespace, name) as PcfApi | undefined;
    const status = failedStatus({ ...api, status: newest?.status ?? api.status }, failure, clock());
    if (api.status?.reason !== failure.reason) {
      const { reason, message: note } = failure;
      this.announce(api, { type: 'Warning', reason, action: 'Reconcile', note });
    }
    await this.report(api, status).catch((err: unknown) =>
      logger.warn({ err, key: keyOf(api) }, 'status of a failed reconcile not written'),
    );
  }

  private async bring(api: PcfApi): Promise<{ requeueAfterMs?: number }> {
    if (api.metadata.deletionTimestamp) return this.leave(api);
    if (!api.metadata.finalizers?.includes(FINALIZER)) {
      await this.deps.actor.setFinalizer(api, true);
      return {}; // the change comes back as an event
    }
    return this.deliver(api);
  }

  private async deliver(given: PcfApi): Promise<{ requeueAfterMs?: number }> {
    const { caches, actor, metrics, clock } = this.deps;
    await this.deps.finishedJobs.readPods(given);
    const foreignAutoscalers = caches.foreignAutoscalers(given);
    const isLeftover = isReplicasDefault(given) && !isAutoscaled({ api: given, foreignAutoscalers });
    // The environment may have changed, and its default with it.
    const api = isLeftover ? { ...given, spec: { ...given.spec, replicas: undefined } } : given;
    const now = clock();
    const { migrationProgress, podCreation } = this.deps;
    const key = keyOf(api);
    const seen = observe(
      api,
      caches,
      (pod) => migrationProgress.reportOf(key, pod),
      (uid) => podCreation.reportOf(key, uid),
    );
    migrationProgress.follow(key, seen.migrating);
    podCreation.follow(key, seen.podless);
    const settings = deliverySettings(api, seen.router);
    const routeAgeMs = this.routeAges.age(key, seen.delivery.route, routeObjects(seen), now);
    const look = analyse(seen, this.deps.analyst, now);
    const planned = plan({ ...seen.delivery, routeAgeMs, analysis: look?.status }, settings, now);
    const { objects, missing } = writable(seen, desiredObjects(seen, planned));
    const unwanted = unwantedObjects(seen, objects, planned);
    const settlingMs = settings.settleMs - routeAgeMs;
    const removed = removable(unwanted, planned, seen, settlingMs <= 0);
    const removalMs = removed.length < unwanted.length && settlingMs > 0 ? settlingMs : undefined;
    const worries = (obstacle?: Obstacle) => [
      ...concerns(seen, missing, planned),
      ...(obstacle?.passes ? [obstacle] : []),
      ...repairLoops(actor.fightsFor(key)),
    ];
    const ended = endedDeliveries(seen, planned, now);
    const effectivePlan = (rejected?: string) =>
      inEffect(seen.delivery, planned, readRoute(seen, caches), rejected);
    // What was decided is decided, also where something else is refused. It is told of once it is on record.
    const report = async (effective: DeliveryPlan, obstacle?: Obstacle) => {
      const summary = summarize(seen, effective, now);
      const verdict = obstacle ? facing(obstacle, summary, reasonSince(api, obstacle.reason, now)) : summary;
      const status = {
        ...statusOf(seen, effective, verdict, worries(obstacle), ended, now),
        ...judgement(api, planned, look?.status),
      };
      await this.report(api, status);
      this.deps.deliveryMetrics.record(api, ended, api.status?.history);
      for (const announcement of announcements(api, effective, verdict, worries(obstacle)))
        this.announce(api, announcement);
      this.notify(seen, planned, verdict, now);
      this.deps.reporter.report(api, status, (name) => seen.revisions.get(name), now);
    };
    let applied = NOTHING_APPLIED;
    try {
      const isUnscaled = api.spec.replicas === undefined && isAutoscaled(seen);
      const unscaled =
        isUnscaled || isLeftover
          ? await failureOfOne(actor.setReplicas(api, isLeftover ? null : settings.replicas))
          : undefined;
      applied = await actor.apply(api, objects, followingEdit(seen, planned));
      this.announceRepairs(api, applied.repairs);
      await actor.release(releasingEdits(api, caches, seen));
      await actor.remove(removed);
      if (unscaled ?? applied.failure) throw unscaled ?? applied.failure;
    } catch (error) {
      const obstacle = obstacleOf(error);
      if (!obstacle) throw error;
      const effective = effectivePlan(obstacle.message);
      metrics.record(api, { seen, plan: effective, applied });
      await report(effective, obstacle);
      // The delivery continues meanwhile: its holds, its deadline and what is on its way out have their times.
      const dueInMs = earliest(planned.requeueAfterMs, applied.lookAgainMs, look?.requeueAfterMs, removalMs);
      throw failureOf(error, obstacle.message, dueInMs);
    }
    const effective = effectivePlan();
    metrics.record(api, { seen, plan: effective, applied });
    if (this.canWait(api, planned, applied)) return { requeueAfterMs: 0 };
    await report(effective);
    return {
      requeueAfterMs: earliest(planned.requeueAfterMs, applied.lookAgainMs, look?.requeueAfterMs, removalMs),
    };
  }

  /**
   * What was written now is in the caches already, so the next reconcile, at once, can tell
   * more: one status for both, unless something was decided, which has to be on record
   * before anything follows from it. Only once in a row: a status is never far behind.
   */
  private canWait(api: PcfApi, { position, decisions }: DeliveryPlan, { changed }: Applied): boolean {
    const key = keyOf(api);
    const isOnRecord =
      canonicalJson(turningPoint(position)) === canonicalJson(turningPoint(api.status?.delivery));
    const waits = changed && isOnRecord && decisions.length === 0 && !this.waiting.has(key);
    if (waits) this.waiting.add(key);
    else this.waiting.delete(key);
    return waits;
  }

  /** After the status is on record, so that what is told of is so. */
  private notify(
    seen: Observed,
    plan: DeliveryPlan,
    { reason, message, verdict }: Summary,
    now: number,
  ): void {
    const { api, revisions } = seen;
    const told = deliveryEvents(
      plan.decisions,
      plan.position,
      (name) => revisions.get(name),
      (decision) => whoDecided(seen, decision),
    );
    const isNew = verdict === 'Failed' && api.status?.reason !== reason && told.length === 0;
    const revision = plan.position.update ?? plan.position.failed?.revision ?? plan.position.stable;
    if (isNew && revision) {
      told.push({
        type: 'Failed',
        revision,
        at: new Date(now).toISOString(),
        reason: `${reason}: ${message}`,
      });
    }
    for (const event of told) this.deps.notifier.notify(api, api.spec.notifications, event);
  }

  private announceRepairs(api: PcfApi, repairs: readonly Repair[]): void {
    for (const { kind, name, manager, fields } of repairs) {
      const note = `${kind} ${name}: ${fields.join(', ')} was changed by ${manager} and put back`;
      this.announce(api, { type: 'Warning', reason: 'DriftRepaired', action: 'Repair', note });
    }
  }

  /** Deletion: the route goes first, so that no request is sent to pods on their way out; Kubernetes collects the rest. */
  private async leave(api: PcfApi): Promise<{ requeueAfterMs?: number }> {
    if (!api.metadata.finalizers?.includes(FINALIZER)) return {};
    if (api.metadata.finalizers.includes(ORPHAN_FINALIZER)) {
      await unlessGone(this.deps.actor.setFinalizer(api, false));
      return {};
    }
    const report = (obstacle?: Obstacle) =>
      unlessGone(this.report(api, leavingStatus(api, routes, obstacle, clock())));
    const { caches, actor, clock } = this.deps;
    const routes = ROUTES.flatMap((type) => caches.ownedBy(type, api).map((object) => ({ type, object })));
    try {
      await actor.release(releasingEdits(api, caches));
      const present = routes.filter(({ object }) => !object.metadata.deletionTimestamp);
      // A route that lost its owner in the meantime is an orphan and must remain.
      await actor.remove(present, { unchanged: true });
    } catch (error) {
      const obstacle = obstacleOf(error);
      if (!obstacle) throw error;
      const { reason, message: note } = obstacle;
      await report(obstacle);
      if (api.status?.reason !== reason)
        this.announce(api, { type: 'Warning', reason, action: 'Delete', note });
      // Also what is refused: the PcfApi is held meanwhile, and nothing here tells when it would be taken.
      throw new ReconcileError(obstacle.message, error, { retryWithinMs: RETRY_WITHIN_MS });
    }
    if (routes.length > 0) {
      await report();
      return {}; // each deletion comes back as an event
    }
    await unlessGone(actor.setFinalizer(api, false));
    return {};
  }

  /** Writes the status once, and only if it says something new. */
  private async report(api: PcfApi, whole: PcfApiStatus): Promise<void> {
    const status = withinBounds(whole);
    this.deps.metrics.recordStatus(api, status);
    if (canonicalJson(status) === canonicalJson(api.status ?? {})) return;
    const { namespace, name, uid } = api.metadata;
    const object = { apiVersion: API_VERSION, kind: KIND, metadata: { namespace, name, uid }, status };
    const options = { fieldManager: FIELD_MANAGER, force: true };
    const written = await naming(
      `the status of ${name}`,
      this.deps.client.applyStatus(PcfApiKind, object, options),
    ).catch((error: unknown) => {
      if (!isInvalid(error) && !isForbidden(error)) throw error;
      throw new StatusRejectedError(`the API server rejects the status: ${error.message}`, { cause: error });
    });
    this.deps.caches.pcfApis.noteWrite(written);
  }

  private announce(api: PcfApi, announcement: Announcement): void {
    this.deps.events.record({ regarding: api, ...announcement });
  }
}

/** As far as one can tell where a part was refused. */
const NOTHING_APPLIED: Applied = {
  repairs: [],
  changed: false,
  routeChanged: false,
  lookAgainMs: undefined,
};

function routeObjects({ owned }: Observed): string[] {
  return owned
    .filter(({ type }) => ROUTES.includes(type))
    .map(({ type, object }) => `${type.kind}/${object.metadata.name}`);
}

/** How the revision that is delivered does; of one that was aborted, what it was judged by. */
function judgement(
  { status }: PcfApi,
  { position }: DeliveryPlan,
  analysis: PcfApiStatus['analysis'],
): Pick<PcfApiStatus, 'analysis'> {
  const isAborted = position.failed !== undefined && status?.analysis?.revision === position.failed.revision;
  const told = analysis ?? (isAborted ? status.analysis : undefined);
  return told ? { analysis: told } : {};
}

/** What of a position nothing may follow from before it is on record. The rest is derived again each time. */
function turningPoint({
  stable,
  update,
  startedAt,
  step,
  failed,
  knownMigrations,
  contracted,
}: DeliveryPosition = {}) {
  return { stable, update, startedAt, step, failed, knownMigrations, contracted };
}

/** Why the write failed, for one that nothing else waits for. Throws what would stop every other write as well. */
async function failureOfOne(write: Promise<void>): Promise<unknown> {
  return write.then(
    () => undefined,
    (error: unknown) => {
      if (!obstacleOf(error)) throw error;
      return error;
    },
  );
}

async function unlessGone(write: Promise<void>): Promise<void> {
  await write.catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
}

function earliest(...times: (number | undefined)[]): number | undefined {
  const given = times.filter((time) => time !== undefined);
  return given.length > 0 ? Math.min(...given) : undefined;
}
