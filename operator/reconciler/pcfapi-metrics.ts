/** pcf_ metrics per PcfApi: desired and effective state, and durations. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { type PcfApiStatus, PHASES } from '../api/v1alpha1/status.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import type { MigrationState } from '../delivery/observation.js';
import { OWNED_KINDS } from '../resources/kinds.js';
import { keyOf } from '../runtime/store.js';
import type { Applied } from './act.js';
import type { Observed } from './observed.js';

const identity = ['namespace', 'name'] as const;
type Identity = Record<(typeof identity)[number], string>;
const condition = [...identity, 'type', 'status', 'reason'] as const;
type ConditionLabels = Record<(typeof condition)[number], string>;

const MIGRATION_STATES: readonly MigrationState[] = [
  'Pending',
  'Planned',
  'Running',
  'Succeeded',
  'Failed',
  'Disabled',
];

/** Observation, plan and writes of one reconcile. */
export interface Outcome {
  observed: Observed;
  plan: DeliveryPlan;
  applied: Applied;
}

export class Metrics {
  private readonly gauges: ReturnType<typeof gaugesOf>;
  private readonly repairs: Counter<'namespace' | 'name' | 'kind'>;
  private readonly routeTime: Histogram;
  private readonly migrationTime: Histogram;
  /** Time of the first observed edit whose route is not written yet, by PcfApi (performance.now()). */
  private readonly edits = new Map<string, number>();
  /** Revision whose migration duration was observed last, by PcfApi. */
  private readonly timed = new Map<string, string>();
  /** Exported series of pcf_condition, by PcfApi and condition type. A change of status or reason replaces it. */
  private readonly shown = new Map<string, Map<string, ConditionLabels>>();

  constructor(
    registry: Registry,
    private readonly now: () => number = () => performance.now(),
  ) {
    const registers = [registry];
    this.gauges = gaugesOf(registry);
    this.repairs = new Counter({
      name: 'pcf_drift_repairs_total',
      help: 'Changes by other field managers to owned objects that the operator reverted.',
      labelNames: [...identity, 'kind'] as const,
      registers,
    });
    this.routeTime = new Histogram({
      name: 'pcf_spec_edit_to_route_seconds',
      help: 'Time from observing an edit of the spec until its route was written.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
      registers,
    });
    this.migrationTime = new Histogram({
      name: 'pcf_migration_duration_seconds',
      help: 'Duration of the migrations of a revision, as reported by them.',
      buckets: [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600],
      registers,
    });
  }

  /** Records the time of an edit of the spec. Of several edits before a write of the route, the first counts. */
  edited(key: string): void {
    if (!this.edits.has(key)) this.edits.set(key, this.now());
  }

  record(api: PcfApi, { observed, plan, applied }: Outcome): void {
    const { namespace, name } = api.metadata;
    const series = { namespace, name };
    const { desiredWeight, effectiveWeight, revisions } = this.gauges;
    desiredWeight.set(series, plan.traffic.desiredWeight);
    effectiveWeight.set(series, plan.traffic.effectiveWeight);
    revisions.set(series, Object.keys(plan.replicas).length);
    for (const { kind } of applied.repairs) this.repairs.inc({ ...series, kind });
    this.recordMigration(series, observed, plan);
    this.recordRoute(keyOf(api), plan, applied);
  }

  /** Exports phase and conditions of the status. */
  recordStatus(api: PcfApi, { phase, conditions = [] }: PcfApiStatus): void {
    const { namespace, name } = api.metadata;
    const series = { namespace, name };
    for (const one of PHASES) this.gauges.phase.set({ ...series, phase: one }, one === phase ? 1 : 0);
    const before = this.shown.get(keyOf(api));
    const now = new Map<string, ConditionLabels>();
    for (const { type, status, reason } of conditions) now.set(type, { ...series, type, status, reason });
    for (const labels of before?.values() ?? []) this.gauges.condition.remove(labels);
    for (const labels of now.values()) this.gauges.condition.set(labels, 1);
    this.shown.set(keyOf(api), now);
  }

  /** Removes the series of a deleted PcfApi. */
  forget(namespace: string, name: string): void {
    const series = { namespace, name };
    const { desiredWeight, effectiveWeight, phase, revisions, migration } = this.gauges;
    for (const gauge of [desiredWeight, effectiveWeight, revisions]) gauge.remove(series);
    for (const one of PHASES) phase.remove({ ...series, phase: one });
    for (const state of MIGRATION_STATES) migration.remove({ ...series, state });
    for (const { kind } of OWNED_KINDS) this.repairs.remove({ ...series, kind });
    const key = `${namespace}/${name}`;
    for (const labels of this.shown.get(key)?.values() ?? []) this.gauges.condition.remove(labels);
    this.shown.delete(key);
    this.edits.delete(key);
    this.timed.delete(key);
  }

  private recordMigration(series: Identity, observed: Observed, plan: DeliveryPlan): void {
    const revision = plan.position.update ?? plan.position.stable ?? plan.migrate;
    const view = revision === undefined ? undefined : observed.migrations.get(revision);
    if (!revision || !view) return;
    for (const state of MIGRATION_STATES)
      this.gauges.migration.set({ ...series, state }, state === view.state ? 1 : 0);
    const key = `${series.namespace}/${series.name}`;
    const known = this.timed.get(key);
    if (view.state !== 'Succeeded' || view.durationMs === undefined || known === revision) return;
    this.timed.set(key, revision);
    // The previous process recorded migrations that finished before this process started.
    if (known !== undefined || observed.delivery.position.stable === undefined)
      this.migrationTime.observe(view.durationMs / 1000);
  }

  private recordRoute(key: string, { traffic }: DeliveryPlan, { routeChanged }: Applied): void {
    const editedAt = this.edits.get(key);
    if (editedAt === undefined) return;
    if (routeChanged) this.routeTime.observe((this.now() - editedAt) / 1000);
    // An edit of resources, for example, needs no change of the route.
    const isSettled = traffic.verified && traffic.desiredWeight === traffic.effectiveWeight;
    if (routeChanged || isSettled) this.edits.delete(key);
  }
}

function gaugesOf(registry: Registry) {
  const gauge = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: identity, registers: [registry] });
  return {
    desiredWeight: gauge('pcf_desired_weight', 'Desired weight of the new revision, in percent.'),
    effectiveWeight: gauge(
      'pcf_effective_weight',
      'Effective weight of the new revision according to the route that was read back, in percent.',
    ),
    revisions: gauge('pcf_revisions', 'Revisions that have pods.'),
    phase: new Gauge({
      name: 'pcf_phase',
      help: '1 for the current phase, 0 for the others.',
      labelNames: [...identity, 'phase'] as const,
      registers: [registry],
    }),
    // Only the current series: zeros for all other reasons would be hundreds of series per PcfApi.
    condition: new Gauge({
      name: 'pcf_condition',
      help: '1 for the current status and reason of a condition. Other combinations have no series.',
      labelNames: condition,
      registers: [registry],
    }),
    migration: new Gauge({
      name: 'pcf_migration_state',
      help: '1 for the current state of the migrations of the newest revision, 0 for the others.',
      labelNames: [...identity, 'state'] as const,
      registers: [registry],
    }),
  };
}
