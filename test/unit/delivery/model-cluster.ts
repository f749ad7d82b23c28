/** A cluster reduced to what the planner sees, with the crashes and delays of a real one. */
import { plan } from '../../../operator/delivery/plan.js';
import type {
  DeliveryPlan,
  DeliverySettings,
  MigrationState,
  Observation,
  RouteView,
} from '../../../operator/delivery/types.js';

interface ModelRevision {
  replicas: number;
  ready: number;
  migration: MigrationState;
}

/** How far a reconcile gets before the operator is killed. */
export type CrashPoint = 'before-route' | 'before-replicas' | 'before-status' | 'none';

export class ModelCluster {
  target = 'a';
  startable = true;
  now = Date.parse('2026-11-23T10:00:00Z');
  readonly revisions = new Map<string, ModelRevision>();
  position: Observation['position'] = {};
  route: RouteView | undefined;
  readonly settings: DeliverySettings;

  constructor(split: DeliverySettings['split']) {
    this.settings = { replicas: 3, paused: false, split, retireDelayMs: 30_000 };
  }

  observe(): Observation {
    const revisions = [...this.revisions].map(([name, state]) => ({ name, ...state }));
    const { target, position, route, startable } = this;
    return { target, revisions, position, route, startable };
  }

  /** One reconcile, cut off at `crash`. Actions come in the operator's order: Job, route, pods, status. */
  reconcile(crash: CrashPoint = 'none'): DeliveryPlan {
    const next = plan(this.observe(), this.settings, this.now);
    if (next.migrate) this.revision(next.migrate);
    if (crash === 'before-route') return next;
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
