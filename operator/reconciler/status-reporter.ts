/** Reports a reconcile: the status, then Events, metrics of deliveries, notifications and deployment records. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { API_VERSION, FIELD_MANAGER, KIND } from '../api/v1alpha1/pcfapi.js';
import { withinBounds } from '../api/v1alpha1/status/within-bounds.js';
import type { PcfApiStatus } from '../api/v1alpha1/status.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import { deliveryEvents } from '../notify/delivery-events.js';
import { PcfApiKind } from '../resources/kinds.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import { isForbidden, isInvalid } from '../runtime/kube-client.js';
import { keyOf } from '../runtime/store.js';
import { keyStatus } from '../signing-keys/planned-keys.js';
import { type Repair, withObjectName } from './act.js';
import { type Announcement, announcements } from './announce.js';
import { decidingManager } from './attribution.js';
import type { ReconcilerDependencies } from './dependencies.js';
import { findIssues, type Issue, repairLoops } from './issues.js';
import { failureReport, type Obstacle, StatusRejectedError, withObstacle } from './obstacle.js';
import { failedStatus, statusOf } from './pcfapi-status.js';
import type { PlannedReconcile } from './planned-reconcile.js';
import type { ReconcileState } from './reconcile-state.js';
import { LONGEST_INTERVAL_MS, progressIntervalMs } from './status-progress.js';
import { reasonSince, summarize } from './summary.js';
import type { Summary } from './summary-rule.js';

export class StatusReporter {
  constructor(
    private readonly deps: ReconcilerDependencies,
    private readonly state: ReconcileState,
  ) {}

  /**
   * `effective` is the plan with the traffic as it was read back. `obstacle` is the reason why a part of it was not
   * written. The decisions of the plan are valid all the same, and announced once they are recorded in the status.
   * `issuesOfWrites` are rejected writes that the delivery does not depend on. Returns the milliseconds until progress
   * that was not written now is due.
   */
  async report(
    planned: PlannedReconcile,
    effective: DeliveryPlan,
    obstacle?: Obstacle,
    issuesOfWrites: readonly Issue[] = [],
  ): Promise<number | undefined> {
    const { observed, finished, now } = planned;
    const { api } = observed;
    const summary = summarize(observed, effective, now);
    const verdict = obstacle
      ? withObstacle(obstacle, summary, reasonSince(api, obstacle.reason, now))
      : summary;
    const issues = [
      ...findIssues(observed, planned.missingKinds, planned.plan),
      ...issuesOfWrites,
      ...(obstacle?.isTransient ? [obstacle] : []),
      ...repairLoops(this.deps.actor.repairLoopsFor(keyOf(api))),
    ];
    const status = withinBounds({
      ...statusOf(observed, effective, verdict, issues, finished, now),
      ...analysisStatus(planned),
      ...keyStatus(observed.signingKeys),
    });
    const dueInMs = effective.decisions.length > 0 ? 0 : this.dueInMs(api, status, now);
    if (dueInMs > 0) {
      this.deps.metrics.recordStatus(api, status);
      return dueInMs;
    }
    await this.writeBounded(api, status);
    this.deps.deliveryMetrics.record(api, finished, api.status?.history);
    for (const announcement of announcements(api, effective, verdict, issues, status.windows))
      this.announce(api, announcement);
    this.notify(planned, verdict);
    this.deps.reporter.report(api, status, (name) => observed.revisions.get(name), now);
    return undefined;
  }

  /** Reports a failed reconcile: otherwise the status of the generation before would remain. */
  async reportFailure(api: PcfApi, error: unknown): Promise<void> {
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
    await this.write(api, status).catch((err: unknown) =>
      logger.warn({ err, key: keyOf(api) }, 'writing the status of a failed reconcile failed'),
    );
  }

  /** Milliseconds until the difference is written; 0: now. Statuses are compared only after a recent write. */
  private dueInMs(api: PcfApi, status: PcfApiStatus, now: number): number {
    const key = keyOf(api);
    if (this.state.statusDueInMs(key, LONGEST_INTERVAL_MS, now) === 0) return 0;
    return this.state.statusDueInMs(key, progressIntervalMs(api.status, status), now);
  }

  /** Writes the status once, and only if it changed. */
  async write(api: PcfApi, status: PcfApiStatus): Promise<void> {
    await this.writeBounded(api, withinBounds(status));
  }

  private async writeBounded(api: PcfApi, status: PcfApiStatus): Promise<void> {
    this.deps.metrics.recordStatus(api, status);
    if (canonicalJson(status) === canonicalJson(api.status ?? {})) return;
    const { namespace, name, uid } = api.metadata;
    const object = { apiVersion: API_VERSION, kind: KIND, metadata: { namespace, name, uid }, status };
    const options = { fieldManager: FIELD_MANAGER, force: true };
    const written = await withObjectName(
      `the status of ${name}`,
      this.deps.client.applyStatus(PcfApiKind, object, options),
    ).catch((error: unknown) => {
      if (!isInvalid(error) && !isForbidden(error)) throw error;
      throw new StatusRejectedError(`the API server rejects the status: ${error.message}`, { cause: error });
    });
    this.deps.caches.pcfApis.noteWrite(written);
    this.state.statusWritten(keyOf(api), this.deps.clock());
  }

  announce(api: PcfApi, announcement: Announcement): void {
    this.deps.events.record({ regarding: api, ...announcement });
  }

  announceRepairs(api: PcfApi, repairs: readonly Repair[]): void {
    for (const { kind, name, manager, fields } of repairs) {
      const note = `${kind} ${name}: ${fields.join(', ')} was changed by ${manager} and reverted`;
      this.announce(api, { type: 'Warning', reason: 'DriftRepaired', action: 'Repair', note });
    }
  }

  private notify({ observed, plan, now }: PlannedReconcile, { reason, message, verdict }: Summary): void {
    const { api, revisions } = observed;
    const events = deliveryEvents(
      plan.decisions,
      plan.position,
      (name) => revisions.get(name),
      (decision) => decidingManager(observed, decision),
    );
    const isNew = verdict === 'Failed' && api.status?.reason !== reason && events.length === 0;
    const revision = plan.position.update ?? plan.position.failed?.revision ?? plan.position.stable;
    if (isNew && revision) {
      const at = new Date(now).toISOString();
      events.push({ type: 'Failed', revision, at, reason: `${reason}: ${message}` });
    }
    for (const event of events) this.deps.notifier.notify(api, api.spec.notifications, event);
  }
}

/** The analysis of the revision being delivered; after an abort, the one that it was based on. */
function analysisStatus({
  observed,
  plan: { position },
  analysis,
}: PlannedReconcile): Pick<PcfApiStatus, 'analysis'> {
  const before = observed.api.status?.analysis;
  const isAborted = position.failed !== undefined && before?.revision === position.failed.revision;
  const current = analysis?.status ?? (isAborted ? before : undefined);
  return current ? { analysis: current } : {};
}
