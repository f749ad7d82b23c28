/** Model of a cluster with the state that the planner reads. It simulates crashes and delays of a real one. */

import type { GatedStep } from '../../../operator/api/v1alpha1/spec/windows.js';
import type { DeliveryPlan } from '../../../operator/delivery/delivery-plan.js';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import type {
  AnalysisView,
  MigrationStage,
  Observation,
  RouteView,
} from '../../../operator/delivery/observation.js';
import { plan, recordedAt, recordOf } from '../../../operator/delivery/plan.js';
import { latestContract } from '../../../operator/delivery/recorded-position.js';
import { deliveryId, fullId, stepId } from '../../../operator/delivery/request-ids.js';
import { deliverySettings } from '../../support/cluster/delivery-settings.js';
import { type Lagging, LaggingCaches } from './lagging-caches.js';
import { CONTRACTS, type ModelRevision, newRevision, revisionViewOf, STAGES } from './model-revision.js';

/**
 * A fault during the writes of a reconcile, which are sent in waves. The operator is killed, or an
 * object is rejected and the status reports it. The bits of `which` select the writes of the wave.
 */
export interface Fault {
  how: 'killed' | 'refused';
  wave: number;
  which: number;
}

/** All objects are written, but not the status that explains them. */
export const KILLED_BEFORE_STATUS: Fault = { how: 'killed', wave: 4, which: 0 };

export class ModelCluster {
  target = 'a';
  startable = true;
  isUnsupported = false;
  verdict: AnalysisView['verdict'] | undefined;
  /** Steps that closed windows hold. */
  held: readonly GatedStep[] = [];
  /** Start of the step that the verdict applies to. By default the current step. */
  judgedSince: string | undefined | 'now' = 'now';
  now = Date.parse('2026-11-23T10:00:00Z');
  /** Difference of the system clock. In milliseconds. */
  systemOffsetMs = 0;
  readonly revisions = new Map<string, ModelRevision>();
  position: Observation['position'] = {};
  route: RouteView | undefined;
  /** Whether another field manager edited the route and the operator has not repaired it yet. */
  private isForeignRoute = false;
  private routedAt = 0;
  private skewMs = 0;
  private ticks = 0;
  /** Contract migrations that the database has, or may have. */
  readonly schema = new Set<string>();
  /** Those of them that a restore removes from it. */
  readonly hidden = new Set<string>();
  readonly settings: DeliverySpec;
  private readonly late = new LaggingCaches();

  /** `windowMs`: the window after contract; 0: contract drops immediately. */
  constructor(
    settings: Partial<DeliverySpec>,
    private readonly windowMs = 0,
  ) {
    this.settings = deliverySettings({ settleMs: 2_000, ...settings });
  }

  /** The observation, as the caches return it. */
  observe(): Observation {
    this.finishWindows();
    const { position, startable, isUnsupported, verdict, late } = this;
    const restoredAt = this.lastContract()?.restoredAt;
    const revisions = [...this.revisions].map(([name, state]) =>
      revisionViewOf(name, late.shown(name, state), this.schema, restoredAt),
    );
    const { target } = this.shown();
    const { route } = late.route ?? this;
    const routeAgeMs = this.now - this.routedAt;
    const stepSince = this.judgedSince === 'now' ? position.stepSince : this.judgedSince;
    const analysis = verdict && { verdict, message: `it is ${verdict}`, stepSince };
    const held = Object.fromEntries(this.held.map((step) => [step, 'the window that opens tomorrow']));
    const gate = this.held.length > 0 ? { held, changesInMs: 60_000 } : undefined;
    const systemNow = this.now + this.systemOffsetMs;
    const gates = { startable, isUnsupported, analysis, gate };
    return { target, revisions, position, route, routeAgeMs, systemNow, ...gates };
  }

  /** The spec, as the caches return it. */
  shown(): { target: string; settings: DeliverySpec } {
    return this.late.spec ?? this;
  }

  /** Freezes a cache at the current state, until catchUp(). */
  lag(what: Lagging): void {
    this.late.freeze(what, this);
  }

  catchUp(): void {
    this.late.catchUp();
  }

  /** Advances the clock. All caches catch up. */
  pass(ms: number): void {
    this.now += ms;
    this.catchUp();
  }

  /** Another field manager changes or deletes the route. */
  editRoute(route: RouteView | undefined): void {
    this.setRoute(route);
    this.isForeignRoute = true;
  }

  private setRoute(route: RouteView | undefined): void {
    this.route = route;
    this.routedAt = this.now;
  }

  /** Sets a request annotation for the delivery in progress, or for the failed one. */
  request(what: string): void {
    const { position, settings } = this;
    const id = deliveryId(position);
    const { failed } = position;
    if (what === 'promote' && id) settings.requests.promote = stepId(position);
    if (what === 'full' && id) settings.requests.promote = fullId(position);
    if (what === 'abort' && id) settings.requests.abort = id;
    if (what === 'retry' && failed) settings.requests.retry = `${failed.revision}@${failed.at}`;
  }

  crash(name: string, crashes: boolean): void {
    const state = this.revisions.get(name);
    if (state) state.crashesSince = crashes ? new Date(this.now).toISOString() : undefined;
  }

  /** Simulates `kubectl replace --subresource=status`. Skipped with a foreign route, as the position can't be recovered. */
  loseStatus(): void {
    if (!this.isForeignRoute) this.position = {};
  }

  get hasStatus(): boolean {
    return Object.keys(this.position).length > 0;
  }

  /** Sets the clock of the operator. */
  setClock(byMs: number): void {
    this.now += byMs;
    this.skewMs += byMs;
  }

  /** Ends all disturbances. */
  calm(): void {
    this.now -= Math.min(0, this.skewMs);
    this.settings.paused = false;
    this.startable = true;
    this.isUnsupported = false;
    this.verdict = undefined;
    this.held = [];
    this.catchUp();
    for (const state of this.revisions.values()) state.crashesSince = undefined;
  }

  /** One reconcile. It writes in the order of the operator: records, route, Job and pods, removals, status. */
  reconcile(fault?: Fault): DeliveryPlan {
    const next = plan(this.observe(), this.shown().settings, this.now);
    for (const [wave, writes] of this.writes(next).entries()) {
      const isHere = fault?.wave === wave;
      const fails = (index: number) =>
        fault?.how === 'killed'
          ? ((fault.which >> index) & 1) === 0
          : index === (fault?.which ?? 0) % writes.length;
      for (const [index, write] of writes.entries()) if (!isHere || !fails(index)) write();
      if (isHere && fault.how === 'killed') return next;
      if (isHere) break;
    }
    this.position = next.position;
    return next;
  }

  private writes({ migrate, route, job, replicas, workers = {}, position }: DeliveryPlan): (() => void)[][] {
    const removed = [...this.revisions.keys()].filter((name) => replicas[name] === undefined);
    const recorded = [...(migrate ? [migrate] : []), ...Object.keys(replicas), ...recordedAt(position)];
    return [
      [...new Set(recorded)].map(
        (name) => () => void Object.assign(this.revision(name), { record: recordOf(position, name) }),
      ),
      [() => this.writeRoute(route)],
      [
        ...(job ? [() => this.start(job.revision, job.stage)] : []),
        ...Object.entries(replicas).map(
          ([name, count]) =>
            () =>
              this.scale(name, count),
        ),
        ...Object.entries(workers).map(
          ([name, count]) =>
            () =>
              this.scaleWorkers(name, count),
        ),
      ],
      [
        ...[...this.revisions.keys()]
          .filter((name) => workers[name] === undefined)
          .map((name) => () => this.scaleWorkers(name, 0)),
        ...removed.map((name) => () => this.scale(name, 0)),
        ...(route ? [] : [() => this.removeRoute()]),
      ],
      [() => {}],
    ];
  }

  private writeRoute(planned: RouteView | undefined): void {
    // A Service that selects all revisions has no weights.
    const route = planned?.byPods ? { weights: {}, byPods: planned.byPods } : planned;
    if (route && JSON.stringify(route) !== JSON.stringify(this.route)) this.setRoute(route);
    if (route) this.isForeignRoute = false;
    this.late.route = undefined;
  }

  private removeRoute(): void {
    if (this.route) this.setRoute(undefined);
  }

  revision(name: string): ModelRevision {
    const revision = this.revisions.get(name) ?? newRevision();
    this.revisions.set(name, revision);
    return revision;
  }

  /** Completes every Job and makes every pod ready. */
  heal(): void {
    for (const state of this.revisions.values()) {
      for (const stage of STAGES) {
        if (state.jobs[stage] !== 'Absent') state.jobs[stage] = 'Succeeded';
      }
      state.ready = state.replicas;
      state.workers = { ...state.workers, ready: state.workers.replicas };
      state.leaving = 0;
    }
  }

  /** Completes Jobs, makes pods ready and promotes steps. Terminating pods stay. */
  succeed(ms: number): void {
    const leaving = [...this.revisions.values()].map((state) => [state, state.leaving] as const);
    this.heal();
    for (const [state, pods] of leaving) state.leaving = pods;
    this.request('promote');
    this.pass(ms);
  }

  /** Completes expand and backfill of a revision. */
  migrate(name: string): void {
    Object.assign(this.revision(name).jobs, { expand: 'Succeeded', backfill: 'Succeeded' });
  }

  /** Starts a Job. A contract changes the schema immediately, as its first statement can break old pods. */
  private start(name: string, stage: MigrationStage): void {
    const { jobs, createdAt } = this.revision(name);
    this.late.jobs.delete(name);
    if (stage === 'plan' || stage === 'hook') return;
    // A contract after a restore has a Job and a window of its own.
    const isAgain = (createdAt.contract ?? '') <= (this.lastContract()?.restoredAt ?? '');
    if (stage === 'contract' && isAgain) {
      Object.assign(jobs, { contract: 'Absent', restore: 'Absent', purge: 'Absent' });
    }
    if (jobs[stage] === 'Absent' || jobs[stage] === 'Failed') {
      jobs[stage] = 'Running';
      if (stage === 'contract' || stage === 'restore') createdAt[stage] = this.serverTime();
    }
    if (stage === 'purge') this.hidden.clear();
    if (stage !== 'contract') return;
    for (const migration of CONTRACTS[name] ?? []) {
      if (this.windowMs > 0 && !this.schema.has(migration)) this.hidden.add(migration);
      this.schema.add(migration);
    }
    if (this.windowMs > 0) {
      this.revision(name).hiddenUntil = new Date(this.now + this.windowMs).toISOString();
    }
  }

  /** Without the changes of the operator's clock. Each call is later than the one before it. */
  private serverTime(): string {
    this.ticks += 1;
    return new Date(this.now - this.skewMs + this.ticks).toISOString();
  }

  /** As the operator reads it: the status may be lost. */
  private lastContract() {
    return latestContract(
      this.position.contracted,
      [...this.revisions.values()].map(({ record }) => record),
    );
  }

  /** A restore that succeeded has removed what was hidden from the schema. */
  private finishWindows(): void {
    for (const state of this.revisions.values()) {
      if (state.jobs.restore !== 'Succeeded' || !state.hiddenUntil) continue;
      state.hiddenUntil = undefined;
      for (const migration of this.hidden) this.schema.delete(migration);
      this.hidden.clear();
    }
  }

  /** Revisions with pods whose code needs dropped parts of the schema. */
  broken(): string[] {
    return [...this.revisions]
      .filter(([, { ready, leaving, workers }]) => ready + leaving + workers.ready > 0)
      .map(([name]) => name)
      .filter((name) => [...this.schema].some((migration) => !CONTRACTS[name]?.includes(migration)));
  }

  serving(): string[] {
    return [...this.revisions].filter(([, { ready }]) => ready > 0).map(([name]) => name);
  }

  private scale(name: string, replicas: number): void {
    const state = this.revision(name);
    state.replicas = replicas;
    state.leaving += Math.max(0, state.ready - replicas);
    state.ready = Math.min(state.ready, replicas);
  }

  private scaleWorkers(name: string, replicas: number): void {
    const state = this.revision(name);
    const { ready } = state.workers;
    state.leaving += Math.max(0, ready - replicas);
    state.workers = { replicas, ready: Math.min(ready, replicas) };
  }
}
