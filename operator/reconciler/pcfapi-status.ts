/** The status of a PcfApi, from what was seen and what was planned. Pure: the same input gives the same status. */

import { fullReplicas } from '../api/v1alpha1/defaults.js';
import type { Condition } from '../api/v1alpha1/kubernetes.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { DeliveryRecord, PcfApiStatus, Phase, TrafficStatus } from '../api/v1alpha1/status.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import { podSelector, selectorString } from '../resources/metadata.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { autoscalingLimited, currentScaleView } from './autoscaling.js';
import type { Verdict } from './conditions.js';
import { history } from './history.js';
import type { Concern } from './issues.js';
import { compact, migrationStatus, migrationsApplied } from './migration-status.js';
import type { Observed } from './observed.js';
import type { Obstacle } from './obstacle.js';
import { reasonSince, type Summary } from './summary.js';

export function statusOf(
  seen: Observed,
  plan: DeliveryPlan,
  summary: Summary,
  worries: readonly Concern[],
  ended: readonly DeliveryRecord[],
  now: number,
): PcfApiStatus {
  const { api } = seen;
  const { stable, update } = plan.position;
  const imageOf = (name: string | undefined) => (name ? seen.revisions.get(name)?.image : undefined);
  return compact({
    observedGeneration: api.metadata.generation,
    phase: summary.phase,
    reason: summary.reason,
    since: reasonSince(api, summary.reason, now),
    conditions: withTransitionTimes(
      conditions(seen, plan, summary, worries),
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
    readyReplicas: seen.readyReplicas,
    selector: selectorString(podSelector(api, currentScaleView(seen, plan).revision)),
    traffic: traffic(plan, summary),
    step: plan.step,
    failed: plan.position.failed,
    history: history(api, ended),
    migration: migrationStatus(seen, plan),
    revisions: Object.entries(plan.replicas).map(([name, replicas]) => ({
      name,
      image: imageOf(name) ?? '',
      replicas,
      readyReplicas: seen.delivery.revisions.find((view) => view.name === name)?.ready ?? 0,
      weight: plan.route?.weights[name] ?? 0,
    })),
    delivery: compact(plan.position),
  });
}

/** A route that is not in force for want of a right, or for being refused, is not waited for. */
function traffic({ traffic }: DeliveryPlan, { unwritten, message }: Summary): TrafficStatus {
  return unwritten && !traffic.verified ? { ...traffic, reason: message } : traffic;
}

/** While a deletion waits. What was last known of everything else stays to be read. */
export function leavingStatus(
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
  return verdictAlone(api, 'Deleting', { reason, message, passes: obstacle?.passes !== false }, now);
}

/** Status of a failed reconcile. It has no plan, or one whose status was rejected. */
export function failedStatus(api: PcfApi, failure: Obstacle, now: number): PcfApiStatus {
  if (api.metadata.deletionTimestamp) return leavingStatus(api, [], failure, now);
  return verdictAlone(api, failure.passes ? 'Degraded' : 'Failed', failure, now);
}

function verdictAlone(
  api: PcfApi,
  phase: Phase,
  { reason, message, passes }: Obstacle,
  now: number,
): PcfApiStatus {
  const say = (type: string, holds: boolean): Verdict => ({
    type,
    status: holds ? 'True' : 'False',
    reason,
    message,
  });
  const fresh = [say('Ready', false), say('Reconciling', passes), say('Stalled', !passes)];
  const before = api.status?.conditions ?? [];
  const rest = before.filter(({ type }) => !fresh.some((condition) => condition.type === type));
  return {
    ...api.status,
    observedGeneration: api.metadata.generation,
    phase,
    reason,
    since: reasonSince(api, reason, now),
    conditions: [...withTransitionTimes(fresh, before, api.metadata.generation, now), ...rest],
  };
}

function conditions(
  seen: Observed,
  plan: DeliveryPlan,
  summary: Summary,
  worries: readonly Concern[],
): Verdict[] {
  const { reason, message, verdict } = summary;
  const say = (type: string, holds: boolean, why = reason, text = message): Verdict => ({
    type,
    status: holds ? 'True' : 'False',
    reason: why,
    message: text,
  });
  return [
    say('Ready', verdict === 'Current'),
    // kstatus: both are there only while they hold, or say False.
    say('Reconciling', verdict === 'InProgress'),
    say('Stalled', verdict === 'Failed'),
    available(seen, plan),
    say('Progressing', plan.position.update !== undefined && verdict !== 'Failed'),
    migrationsApplied(seen, plan),
    trafficRouted(seen, plan),
    degraded(worries, summary),
    ...autoscalingLimited(seen, plan),
  ];
}

/** Says so whenever the phase does, which is the same for whoever watches the one or the other. */
function degraded(worries: readonly Concern[], { phase, reason, message }: Summary): Verdict {
  const type = 'Degraded';
  const isTold = phase !== 'Degraded' || worries.some((worry) => worry.reason === reason);
  const all = isTold ? worries : [{ reason, message }, ...worries];
  const [first] = all;
  if (!first) return { type, status: 'False', reason: 'AsExpected', message: 'no fault requires action' };
  return {
    type,
    status: 'True',
    reason: first.reason,
    message: all.map(({ message }) => message).join('; '),
  };
}

function available(seen: Observed, plan: DeliveryPlan): Verdict {
  const carriers = Object.keys(plan.route?.weights ?? {});
  if (!plan.route && seen.readyReplicas > 0)
    return { type: 'Available', status: 'False', reason: 'NoRoute', message: 'no route selects a pod' };
  const ready = seen.delivery.revisions
    .filter(({ name }) => carriers.includes(name))
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

function trafficRouted(seen: Observed, plan: DeliveryPlan): Verdict {
  const type = 'TrafficRouted';
  const missing = seen.missingKinds.map(({ kind }) => kind).join(', ');
  if (missing)
    return {
      type,
      status: 'False',
      reason: 'TrafficProviderMissing',
      message: `the cluster has no ${missing}`,
    };
  if (!plan.route && plan.traffic.verified)
    return { type, status: 'False', reason: 'NoPodReady', message: 'there are no pods to route to yet' };
  const { routeRejected } = seen.delivery;
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

/** Keeps the time of each condition whose status is what it was. */
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
