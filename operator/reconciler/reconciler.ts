/** observe → plan → apply → report. Decisions are made in delivery/, objects in resources/ and traffic/. */
import { inSpan } from '../../contract/tracing/tracing.js';
import type { FreezeOutcome } from '../analysis/freeze-queries.js';
import { FINALIZER, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import { inEffect } from '../delivery/plan.js';
import { gateView } from '../delivery/windows/gate.js';
import { ROUTES } from '../resources/kinds.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import { keyOf, partsOf } from '../runtime/store.js';
import type { Applied } from './act.js';
import { analyse } from './delivery-analysis.js';
import type { ReconcilerDependencies } from './dependencies.js';
import { finalize } from './finalize.js';
import { observe, readRoute } from './observe.js';
import type { Observed } from './observed.js';
import { failureOf, obstacleOf, withBoundedRetry } from './obstacle.js';
import { earliest, type PlannedReconcile, planReconcile } from './planned-reconcile.js';
import { ReconcileState } from './reconcile-state.js';
import type { KeyWrite } from './signing-key-writer.js';
import { StatusReporter } from './status-reporter.js';
import { deliverySpecOf, REQUEST_ANNOTATIONS } from './strategies.js';
import { followingEdit, releasingEdits } from './user-routes.js';
import { canHoldSteps, WindowGates, withMeasurements } from './window-gates.js';

export interface ReconcileResult {
  requeueAfterMs?: number;
}

export class Reconciler {
  private readonly state = new ReconcileState();
  private readonly gates = new WindowGates();
  private readonly reporter: StatusReporter;

  constructor(private readonly deps: ReconcilerDependencies) {
    this.reporter = new StatusReporter(deps, this.state);
  }

  /** Reconciles one PcfApi. `key` is `namespace/name`. */
  async reconcile(key: string): Promise<ReconcileResult> {
    const [namespace, name] = partsOf(key);
    const api = this.deps.caches.pcfApis.get(namespace, name) as PcfApi | undefined;
    if (!api) {
      this.forget(namespace, name);
      return {};
    }
    try {
      return await this.reconcileResource(api);
    } catch (error) {
      await this.reporter.reportFailure(api, error);
      throw withBoundedRetry(error);
    }
  }

  /** Discards all in-memory state and metrics of a PcfApi: it was deleted, or another process reconciles it. */
  forget(namespace: string, name: string): void {
    const { deps } = this;
    const key = `${namespace}/${name}`;
    deps.metrics.forget(namespace, name);
    deps.deliveryMetrics.forget(namespace, name);
    deps.actor.forget(key);
    deps.analyst.forget(key);
    deps.freezeQueries.forget(key);
    deps.migrationProgress.follow(key, []);
    deps.finishedJobs.forget(key);
    deps.podCreation.follow(key, []);
    deps.reporter.forget(key);
    this.state.forget(key);
    this.gates.forget(key);
  }

  private async reconcileResource(api: PcfApi): Promise<ReconcileResult> {
    if (api.metadata.deletionTimestamp) {
      await finalize(api, this.deps, this.reporter);
      return {};
    }
    const hasFinalizer = api.metadata.finalizers?.includes(FINALIZER);
    return this.deliver(hasFinalizer ? api : await this.deps.actor.setFinalizer(api, true));
  }

  private async deliver(api: PcfApi): Promise<ReconcileResult> {
    const observed = await inSpan('observe', {}, () => this.observe(api));
    const planned = await inSpan('plan', {}, async () => this.plan(observed));
    const applied = await inSpan('apply', {}, () => this.apply(planned));
    return inSpan('report', {}, () => this.report(planned, applied));
  }

  private async observe(api: PcfApi): Promise<Observed> {
    const { finishedJobs, migrationProgress, podCreation } = this.deps;
    const key = keyOf(api);
    await finishedJobs.readPods(api);
    const observed = this.readCaches(api);
    migrationProgress.follow(key, observed.migrating);
    podCreation.follow(key, observed.podless);
    const { hasApprovalLinks, wallClock } = this.deps;
    const gated = this.withGate(observed);
    return { ...gated, hasApprovalLinks, delivery: { ...gated.delivery, systemNow: wallClock() } };
  }

  private readCaches(api: PcfApi): Observed {
    const { caches, migrationProgress, podCreation } = this.deps;
    const key = keyOf(api);
    return observe(
      api,
      caches,
      (pod) => migrationProgress.reportOf(key, pod),
      (uid) => podCreation.reportOf(key, uid),
    );
  }

  private withGate(observed: Observed): Observed {
    const { caches, wallClock } = this.deps;
    const { api, delivery } = observed;
    const now = wallClock();
    const freeze = this.measureFreezes(observed);
    const evaluated = this.gates.gateOf(api, caches.windows?.selecting(api) ?? [], now, freeze?.frozen);
    if (!evaluated) return observed;
    const gate = freeze ? withMeasurements(evaluated, freeze) : evaluated;
    const view = gateView(gate, now);
    const changesInMs = earliest(view.changesInMs, freeze?.requeueAfterMs);
    const next = changesInMs === undefined ? {} : { changesInMs: Math.max(1, changesInMs) };
    return { ...observed, gate, delivery: { ...delivery, gate: { held: view.held, ...next } } };
  }

  /** Measures `freezeWhen` while a step of `applyTo` can be held. */
  private measureFreezes({ api, delivery }: Observed): FreezeOutcome | undefined {
    const { freezeQueries, clock } = this.deps;
    const retry = api.metadata.annotations?.[REQUEST_ANNOTATIONS.retry];
    const { freezeWhen = [], applyTo = [] } = api.spec.windows ?? {};
    if (freezeWhen.length > 0 && canHoldSteps(delivery, applyTo, retry))
      return freezeQueries.look(api, clock());
    freezeQueries.forget(keyOf(api));
    return undefined;
  }

  private plan(observed: Observed): PlannedReconcile {
    const { api, delivery, router } = observed;
    const now = this.deps.clock();
    const routeAgeMs = this.state.routeAgeMs(keyOf(api), delivery.route, routeObjects(observed), now);
    const analysis = analyse(observed, this.deps.analyst, now);
    const spec = deliverySpecOf(api, router, observed);
    return planReconcile(observed, spec, routeAgeMs, analysis, now);
  }

  /** Applies as much of the plan as possible. */
  private async apply(planned: PlannedReconcile): Promise<Writes> {
    const { observed, objects, plan, removals, replicas } = planned;
    const { api } = observed;
    const { actor, caches } = this.deps;
    let applied = NOTHING_APPLIED;
    let keys: KeyWrite = {};
    try {
      const keysError = await obstacleError(
        this.writeKeys(planned).then((written) => {
          keys = written;
        }),
      );
      const replicasError =
        replicas === undefined ? undefined : await obstacleError(actor.setReplicas(api, replicas));
      applied = await actor.apply(api, objects, followingEdit(observed, plan));
      this.reporter.announceRepairs(api, applied.repairs);
      await actor.release(releasingEdits(api, caches, observed));
      await actor.remove(removals);
      return { applied, keys, error: replicasError ?? keysError ?? applied.failure };
    } catch (error) {
      return { applied, keys, error };
    }
  }

  private async writeKeys({ observed: { api }, signingKeys }: PlannedReconcile): Promise<KeyWrite> {
    return signingKeys?.write ? this.deps.signingKeys.apply(api, signingKeys) : {};
  }

  private async report(
    planned: PlannedReconcile,
    { applied, keys, error }: Writes,
  ): Promise<ReconcileResult> {
    const { observed, plan } = planned;
    const obstacle = error === undefined ? undefined : obstacleOf(error);
    if (error !== undefined && !obstacle) throw error;
    const route = readRoute(observed, this.deps.caches);
    const effective = inEffect(observed.delivery, plan, route, obstacle?.message);
    this.deps.metrics.record(observed.api, { observed, plan: effective, applied });
    if (!obstacle && this.postponeStatus(planned, applied)) return { requeueAfterMs: 0 };
    const issues = keys.issue ? [keys.issue] : [];
    const shown = applied.changed && plan.job ? { ...planned, observed: this.withJobs(observed) } : planned;
    const progressDueInMs = await this.reporter.report(shown, effective, obstacle, issues);
    const requeueAfterMs = earliest(
      planned.requeueAfterMs,
      applied.lookAgainMs,
      keys.retryMs,
      progressDueInMs,
    );
    // Holds, deadlines and retirements of the delivery continue in spite of the obstacle.
    if (obstacle) throw failureOf(error, obstacle.message, requeueAfterMs);
    return { requeueAfterMs };
  }

  /** With the migration Job that was just written: otherwise a second status would report that it runs. */
  private withJobs(observed: Observed): Observed {
    return { ...observed, migrations: this.readCaches(observed.api).migrations };
  }

  /**
   * The next reconcile, which follows at once, reads the writes of this one from the caches: one status serves both.
   * A decision must be recorded before anything depends on it. Postponed once at most, so that a status is never old.
   */
  private postponeStatus({ observed, plan }: PlannedReconcile, { changed }: Applied): boolean {
    const { position, decisions } = plan;
    const key = keyOf(observed.api);
    const recorded = observed.api.status?.delivery;
    const isRecorded = canonicalJson(durableState(position)) === canonicalJson(durableState(recorded));
    if (changed && isRecorded && decisions.length === 0) return this.state.postponeStatus(key);
    this.state.endPostponement(key);
    return false;
  }
}

/** The results of the writes of a reconcile. `error` is the first failure. */
interface Writes {
  applied: Applied;
  keys: KeyWrite;
  error?: unknown;
}

/** Before a failed write nothing is known to have changed. */
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

/** The part of a position that must be recorded before anything depends on it. The rest is derived at each reconcile. */
function durableState({
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

/** The error of a write on which no other write depends. Throws errors that would fail every other write, too. */
async function obstacleError(write: Promise<void>): Promise<unknown> {
  return write.then(
    () => undefined,
    (error: unknown) => {
      if (!obstacleOf(error)) throw error;
      return error;
    },
  );
}
