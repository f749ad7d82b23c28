/** The plan of one reconcile, with the writes that follow from it. */
import type { AnalysisOutcome } from '../analysis/analyst.js';
import type { DeliveryRecord } from '../api/v1alpha1/status.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import type { DeliverySpec } from '../delivery/delivery-spec.js';
import { plan } from '../delivery/plan.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { type PlannedKeys, planKeys } from '../signing-keys/planned-keys.js';
import { isAutoscaled } from './autoscaling.js';
import { desiredObjects, removable, unwantedObjects, writable } from './desired.js';
import { finishedDeliveries } from './history.js';
import type { MissingKind } from './issues.js';
import type { Observed } from './observed.js';

export interface PlannedReconcile {
  observed: Observed;
  plan: DeliveryPlan;
  analysis: AnalysisOutcome | undefined;
  /** Written in this order. */
  objects: KubeObject[];
  /** Kinds of desired objects that the cluster does not have. */
  missingKinds: readonly MissingKind[];
  removals: Observed['owned'];
  /** The value to write to `spec.replicas`; null removes it. */
  replicas: number | null | undefined;
  /** Undefined if the operator does not rotate the signing keys. */
  signingKeys: PlannedKeys | undefined;
  /** Deliveries that finish with this plan. */
  finished: DeliveryRecord[];
  /** When to reconcile without an event. In milliseconds. */
  requeueAfterMs: number | undefined;
  now: number;
}

export function planReconcile(
  observed: Observed,
  spec: DeliverySpec,
  routeAgeMs: number,
  analysis: AnalysisOutcome | undefined,
  now: number,
): PlannedReconcile {
  const planned = plan({ ...observed.delivery, routeAgeMs, analysis: analysis?.status }, spec, now);
  const { objects, missing } = writable(observed, desiredObjects(observed, planned));
  const unwanted = unwantedObjects(observed, objects, planned);
  const { signingKeys: source } = observed;
  const signingKeys = source && !('blocked' in source) ? planKeys(source, now) : undefined;
  const settlesInMs = spec.settleMs - routeAgeMs;
  const removals = removable(unwanted, planned, observed, settlesInMs <= 0);
  const areRemovalsPostponed = removals.length < unwanted.length && settlesInMs > 0;
  return {
    observed,
    plan: planned,
    analysis,
    objects,
    missingKinds: missing,
    removals,
    replicas: replicasToWrite(observed, spec),
    signingKeys,
    finished: finishedDeliveries(observed, planned, now),
    requeueAfterMs: earliest(
      planned.requeueAfterMs,
      analysis?.requeueAfterMs,
      signingKeys?.nextInMs,
      areRemovalsPostponed ? settlesInMs : undefined,
    ),
    now,
  };
}

/** Autoscalers read the current number from the PcfApi, and do nothing without one. */
function replicasToWrite(observed: Observed, spec: DeliverySpec): number | null | undefined {
  if (observed.obsoleteReplicas) return null;
  return observed.api.spec.replicas === undefined && isAutoscaled(observed) ? spec.replicas : undefined;
}

export function earliest(...times: (number | undefined)[]): number | undefined {
  const given = times.filter((time) => time !== undefined);
  return given.length > 0 ? Math.min(...given) : undefined;
}
