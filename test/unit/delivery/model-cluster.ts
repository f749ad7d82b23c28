/** A cluster reduced to what the planner sees, with the crashes and delays of a real one. */
import { plan } from '../../../operator/delivery/plan.js';
import { deliveryId } from '../../../operator/delivery/revisions.js';
import type {
  AnalysisView,
  DeliveryPlan,
  DeliverySettings,
  MigrationState,
  Observation,
  RouteView,
} from '../../../operator/delivery/types.js';
import { deliverySettings } from '../../support/delivery-settings.js';

interface ModelRevision {
  replicas: number;
  ready: number;
  migration: MigrationState;
  crashesSince?: string;
}

/** How far a reconcile gets before the operator is killed. */
export type CrashPoint = 'before-route' | 'before-replicas' | 'before-status' | 'none';

export class ModelCluster {
  target = 'a';
  startable = true;
  verdict: AnalysisView['verdict'] | undefined;
  now = Date.parse('2026-11-23T10:00:00Z');
  readonly revisions = new Map<string, ModelRevision>();
  position: Observation['position'] = {};
  route: RouteView | undefined;
  private routedAt = 0;
  readonly settings: DeliverySettings;

  constructor(settings: Partial<DeliverySettings>) {
    this.settings = deliverySettings({ settleMs: 2_000, ...settings });
  }

  observe(): Observation {
    const revisions = [...this.revisions].map(([name, { crashesSince: since, ...state }]) => ({
      name,
      ...state,
      ...(since && state.ready === 0
        ? { failure: { reason: 'CrashLoop', message: 'it crashes', since } }
        : {}),
    }));
    const { target, position, route, startable, verdict } = this;
    const routeAgeMs = this.now - this.routedAt;
    const analysis = verdict && { verdict, message: `it is ${verdict}` };
    return { target, revisions, position, route, routeAgeMs, startable, analysis };
  }

  /** What people ask for by annotations: of the delivery that is under way, or the one that failed. */
  request(what: string): void {
    const { position, settings } = this;
    const id = deliveryId(position);
    const { failed, step = 0 } = position;
    if (what === 'promote' && id) settings.requests.promote = `${id}/${step}`;
    if (what === 'full' && id) settings.requests.promote = `${id}/full`;
    if (what === 'abort' && id) settings.requests.abort = id;
    if (what === 'retry' && failed) settings.requests.retry = `${failed.revision}@${failed.at}`;
  }

  crash(name: string, crashes: boolean): void {
    const state = this.revisions.get(name);
    if (state) state.crashesSince = crashes ? new Date(this.now).toISOString() : undefined;
  }

  /** The disturbances end. */
  calm(): void {
    this.settings.paused = false;
    this.startable = true;
    this.verdict = undefined;
    for (const state of this.revisions.values()) state.crashesSince = undefined;
  }

  /** One reconcile, cut off at `crash`. Actions come in the operator's order: Job, route, pods, status. */
  reconcile(crash: CrashPoint = 'none'): DeliveryPlan {
    const next = plan(this.observe(), this.settings, this.now);
    if (next.migrate) this.revision(next.migrate);
    if (crash === 'before-route') return next;
    if (JSON.stringify(next.route) !== JSON.stringify(this.route)) this.routedAt = this.now;
    this.route = next.route ?? this.route;
    if (crash === 'before-replicas') return next;
    for (const [name, replicas] of Object.entries(next.replicas)) this.scale(name, replicas);
    for (const name of [...this.revisions.keys()]) {
      if (next.replicas[name] === undefined) this.scale(name, 0);
    }
    if (crash === 'before-status') return next;
    this.position = next.position;
    return next;
  }

  revision(name: string): ModelRevision {
    const existing = this.revisions.get(name);
    if (existing) return existing;
    const created: ModelRevision = { replicas: 0, ready: 0, migration: 'Pending' };
    this.revisions.set(name, created);
    return created;
  }

  /** Every Job succeeds and every pod becomes ready. */
  heal(): void {
    for (const state of this.revisions.values()) {
      state.migration = 'Succeeded';
      state.ready = state.replicas;
    }
  }

  serving(): string[] {
    return [...this.revisions].filter(([, { ready }]) => ready > 0).map(([name]) => name);
  }

  private scale(name: string, replicas: number): void {
    const state = this.revision(name);
    state.replicas = replicas;
    state.ready = Math.min(state.ready, replicas);
  }
}
