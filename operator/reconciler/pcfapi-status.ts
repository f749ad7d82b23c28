/** The status of a PcfApi, from its observed state and the plan. Pure: the same input gives the same status. */

import { fullReplicas } from '../api/v1alpha1/defaults.js';
import type { Condition } from '../api/v1alpha1/kubernetes.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { DeliveryRecord, PcfApiStatus, Phase, TrafficStatus } from '../api/v1alpha1/status.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import type { RevisionView } from '../delivery/observation.js';
import type { Finding } from '../delivery/rule-chain.js';
import { podSelector, selectorString } from '../resources/metadata.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { autoscalingLimited, autoscalingStatus, currentScaleView } from './autoscaling.js';
import type { Verdict } from './conditions.js';
import { history } from './history.js';
import type { Issue } from './issues.js';
import { compact, migrationStatus, migrationsApplied } from './migration-status.js';
import type { Observed } from './observed.js';
import type { Obstacle } from './obstacle.js';
import { reasonSince } from './summary.js';
import type { Summary } from './summary-rule.js';

export function statusOf(
  observed: Observed,
  plan: DeliveryPlan,
  summary: Summary,
  issues: readonly Issue[],
  ended: readonly DeliveryRecord[],
  now: number,
): PcfApiStatus {
  const { api } = observed;
  const { stable, update } = plan.position;
  const imageOf = (name: string | undefined) => (name ? observed.revisions.get(name)?.image : undefined);
  return compact({
    observedGeneration: api.metadata.generation,
    phase: summary.phase,
    reason: summary.reason,
    since: reasonSince(api, summary.reason, now),
    conditions: withTransitionTimes(
      conditions(observed, plan, summary, issues),
      api.status?.conditions,
      api.metadata.generation,
      now,
    ),
    stableRevision: stable,
    updateRevision: update,
    stableImage: imageOf(stable),
    updateImage: imageOf(update),
    // For autoscalers, the size of one revision: two revisions are not twice the load.
    replicas: Object.keys(plan.replicas).length === 0 ? 0 : fullReplicas(api.spec),
    readyReplicas: observed.readyReplicas,
    selector: selectorString(podSelector(api, currentScaleView(observed, plan).revision)),
    traffic: traffic(plan, summary),
    step: plan.step,
    windows: observed.gate?.report,
    failed: plan.position.failed,
    history: history(api, ended),
    migration: migrationStatus(observed, plan),
    schemaCheck: schemaCheckStatus(plan),
    autoscaling: autoscalingStatus(observed, plan),
    revisions: Object.keys({ ...plan.replicas, ...plan.workers }).map((name) => ({
      name,
      image: imageOf(name) ?? '',
      replicas: plan.replicas[name] ?? 0,
      readyReplicas: observed.delivery.revisions.find((view) => view.name === name)?.ready ?? 0,
      weight: plan.route?.weights[name] ?? 0,
      ...workers(observed, plan, name),
    })),
    delivery: compact(plan.position),
  });
}

function workers({ delivery }: Observed, plan: DeliveryPlan, name: string) {
  const replicas = plan.workers?.[name];
  if (replicas === undefined) return {};
  const readyOf = (revision: RevisionView | undefined) => revision?.workers?.ready ?? 0;
  const readyReplicas = readyOf(delivery.revisions.find((view) => view.name === name));
  const all = delivery.revisions.reduce((sum, view) => sum + readyOf(view), 0);
  return {
    workers: { replicas, readyReplicas, share: Math.round((100 * readyReplicas) / Math.max(1, all)) },
  };
}

function schemaCheckStatus({ schemaInUse }: DeliveryPlan): PcfApiStatus['schemaCheck'] {
  if (!schemaInUse) return undefined;
  const { revision, isBlocking: blocked, changes, more, approval } = schemaInUse;
  return { revision, blocked, changes, ...(more > 0 ? { moreChanges: more } : {}), approval };
}

/** The reason of a route that could not be written is the error of the write. */
function traffic({ traffic }: DeliveryPlan, { unwritten, message }: Summary): TrafficStatus {
  return unwritten && !traffic.verified ? { ...traffic, reason: message } : traffic;
}

/** Status during the deletion. Other fields keep their last values. */
export function deletingStatus(
  api: PcfApi,
  routes: readonly { object: KubeObject }[],
  obstacle: Obstacle | undefined,
  now: number,
): PcfApiStatus {
  const since = `being deleted since ${api.metadata.deletionTimestamp}`;
  const names = routes.map(({ object }) => `${object.kind} ${object.metadata.name}`).join(', ');
  const reason = obstacle?.reason ?? 'Deleting';
  const message = obstacle
    ? `${since}; blocked: ${obstacle.message}`
    : `${since}; waiting for the deletion of ${names} before its pods are deleted`;
  return withVerdict(api, 'Deleting', { reason, message, isTransient: obstacle?.isTransient !== false }, now);
}

/** Status of a failed reconcile. It has no plan, or one whose status was rejected. */
export function failedStatus(api: PcfApi, failure: Obstacle, now: number): PcfApiStatus {
  if (api.metadata.deletionTimestamp) return deletingStatus(api, [], failure, now);
  return withVerdict(api, failure.isTransient ? 'Degraded' : 'Failed', failure, now);
}

function withVerdict(api: PcfApi, phase: Phase, obstacle: Obstacle, now: number): PcfApiStatus {
  const fresh = [
    conditionOf('Ready', false, obstacle),
    conditionOf('Reconciling', obstacle.isTransient, obstacle),
    conditionOf('Stalled', !obstacle.isTransient, obstacle),
  ];
  const before = api.status?.conditions ?? [];
  const rest = before.filter(({ type }) => !fresh.some((condition) => condition.type === type));
  return {
    ...api.status,
    observedGeneration: api.metadata.generation,
    phase,
    reason: obstacle.reason,
    since: reasonSince(api, obstacle.reason, now),
    conditions: [...withTransitionTimes(fresh, before, api.metadata.generation, now), ...rest],
  };
}

function conditions(
  observed: Observed,
  plan: DeliveryPlan,
  summary: Summary,
  issues: readonly Issue[],
): Verdict[] {
  const { verdict } = summary;
  return [
    conditionOf('Ready', verdict === 'Current', summary),
    // kstatus: a condition that does not apply is absent or False.
    conditionOf('Reconciling', verdict === 'InProgress', summary),
    conditionOf('Stalled', verdict === 'Failed', summary),
    available(observed, plan),
    conditionOf('Progressing', plan.position.update !== undefined && verdict !== 'Failed', summary),
    migrationsApplied(observed, plan),
    trafficRouted(observed, plan),
    degraded(issues, summary),
    ...autoscalingLimited(observed, plan),
  ];
}

function conditionOf(type: string, isTrue: boolean, { reason, message }: Finding): Verdict {
  return { type, status: isTrue ? 'True' : 'False', reason, message };
}

/** True whenever the phase is Degraded. */
function degraded(issues: readonly Issue[], { phase, reason, message }: Summary): Verdict {
  const type = 'Degraded';
  const isReported = phase !== 'Degraded' || issues.some((issue) => issue.reason === reason);
  const all = isReported ? issues : [{ reason, message }, ...issues];
  const [first] = all;
  if (!first) return { type, status: 'False', reason: 'AsExpected', message: 'no fault requires action' };
  return {
    type,
    status: 'True',
    reason: first.reason,
    message: all.map(({ message }) => message).join('; '),
  };
}

function available(observed: Observed, plan: DeliveryPlan): Verdict {
  const routed = Object.keys(plan.route?.weights ?? {});
  if (!plan.route && observed.readyReplicas > 0)
    return { type: 'Available', status: 'False', reason: 'NoRoute', message: 'no route selects a pod' };
  const ready = observed.delivery.revisions
    .filter(({ name }) => routed.includes(name))
    .reduce((sum, view) => sum + view.ready, 0);
  return ready > 0
    ? { type: 'Available', status: 'True', reason: 'PodsReady', message: 'requests are served' }
    : {
        type: 'Available',
        status: 'False',
        reason: 'NoPodReady',
        message: 'no pod that the route selects is ready',
      };
}

function trafficRouted(observed: Observed, plan: DeliveryPlan): Verdict {
  const type = 'TrafficRouted';
  const missing = observed.missingKinds.map(({ kind }) => kind).join(', ');
  if (missing)
    return {
      type,
      status: 'False',
      reason: 'TrafficProviderMissing',
      message: `the cluster has no ${missing}`,
    };
  if (!plan.route && plan.traffic.verified)
    return { type, status: 'False', reason: 'NoPodReady', message: 'there are no pods to route to yet' };
  const { routeRejected } = observed.delivery;
  if (routeRejected) return { type, status: 'False', reason: 'RouteRejected', message: routeRejected };
  if (!plan.traffic.verified)
    return {
      type,
      status: 'Unknown',
      reason: 'RouteNotVerified',
      message: plan.traffic.reason ?? 'the route has not been read back yet',
    };
  return { type, status: 'True', reason: 'Routed', message: 'the route is in effect' };
}

/** Preserves the time of each condition whose status is unchanged. */
function withTransitionTimes(
  fresh: Verdict[],
  old: Condition[] | undefined,
  observedGeneration: number,
  now: number,
): Condition[] {
  return fresh.map((condition) => {
    const before = old?.find(({ type }) => type === condition.type);
    const lastTransitionTime =
      before?.status === condition.status
        ? before.lastTransitionTime
        : `${new Date(now).toISOString().slice(0, 19)}Z`;
    return { ...condition, observedGeneration, lastTransitionTime };
  });
}
