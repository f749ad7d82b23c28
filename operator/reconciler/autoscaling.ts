/** Pods and metrics that autoscalers of a PcfApi measure now, and their condition in the status. */
import { fullReplicas, horizontalScaling, isReplicasDefault } from '../api/v1alpha1/defaults.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { AutoscalingStatus } from '../api/v1alpha1/status/autoscaling.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import { scaleMetrics } from '../resources/horizontal-pod-autoscaler.js';
import { scalingChanges, stableScaling } from '../resources/revision-scaling.js';
import { metricNames, type RevisionPods, type ScaleView, scaleView } from '../resources/scale-view.js';
import type { Verdict } from './conditions.js';
import type { Observed } from './observed.js';

const LIMITED = 'AutoscalingLimited';

type ScaleInput = Pick<Observed, 'api' | 'scaledApi' | 'delivery' | 'foreignAutoscalers'>;

/** An autoscaler of the user's own replaces ours, and its metrics stay as they are. */
export function currentScaleView(
  { api, scaledApi, delivery, foreignAutoscalers }: ScaleInput,
  plan: DeliveryPlan,
): ScaleView {
  const isOurs = foreignAutoscalers.length === 0;
  const metrics = isOurs ? scaleMetrics(scaledApi) : foreignAutoscalers.flatMap(({ metrics }) => metrics);
  const isVertical = api.spec.autoscaling?.vertical !== undefined;
  // The condition and the selector are written together, so it reports what the scale subresource has.
  const isLimited = api.status?.conditions?.some(({ type }) => type === LIMITED) ?? false;
  return scaleView(revisionPods({ api, delivery }, plan), metrics, { isOurs, isVertical, isLimited });
}

function revisionPods(
  { api, delivery }: Pick<Observed, 'api' | 'delivery'>,
  plan: DeliveryPlan,
): RevisionPods {
  const withPods = delivery.revisions.filter(({ pods = 0 }) => pods > 0).map(({ name }) => name);
  return {
    full: fullReplicas(api.spec),
    stable: plan.position.stable,
    replicas: plan.replicas,
    ready: Object.fromEntries(delivery.revisions.map(({ name, ready }) => [name, ready])),
    existing: [...withPods, ...(delivery.unrecorded ?? [])],
    weights: plan.route?.weights ?? {},
  };
}

/** Whether an autoscaler of the operator or of the user sets `spec.replicas`. */
export function isAutoscaled({
  scaledApi,
  foreignAutoscalers,
}: {
  scaledApi: PcfApi;
  foreignAutoscalers: readonly unknown[];
}): boolean {
  return foreignAutoscalers.length > 0 || horizontalScaling(scaledApi) !== undefined;
}

/** Whether `spec.replicas` has the default of an autoscaler that no longer exists. */
export function hasObsoleteReplicas(scaledApi: PcfApi, foreignAutoscalers: readonly unknown[]): boolean {
  return isReplicasDefault(scaledApi) && !isAutoscaled({ scaledApi, foreignAutoscalers });
}

/** Undefined if no settings of the stable revision are in effect. A revision that was aborted is not the next one. */
export function autoscalingStatus(
  {
    api,
    revisions,
    delivery,
    foreignAutoscalers,
  }: Pick<Observed, 'api' | 'revisions' | 'delivery' | 'foreignAutoscalers'>,
  { position }: DeliveryPlan,
): AutoscalingStatus | undefined {
  const { stable = '', failed } = position;
  const settings = stableScaling(api.spec, revisions.get(stable)?.inputs);
  if (!settings || foreignAutoscalers.length > 0) return undefined;
  const { target } = delivery;
  if (target === stable || target === failed?.revision) return { revision: stable };
  const changes = scalingChanges(settings, revisions.get(target)?.inputs?.autoscaling?.horizontal);
  return { revision: stable, ...(changes.length > 0 ? { next: { revision: target, changes } } : {}) };
}

/** Present only while an autoscaler measures less than it does without a delivery. */
export function autoscalingLimited(observed: ScaleInput, plan: DeliveryPlan): Verdict[] {
  const { perPod, metrics, revision } = currentScaleView(observed, plan);
  if (perPod.length === 0) return [];
  const names = metricNames(perPod);
  const effect = metrics.includes(perPod[0]!)
    ? `the autoscaler measures ${revision ? `the pods of ${revision} alone` : 'the pods of all revisions'}`
    : `the autoscaler does not scale on ${names}, only on ${metricNames(metrics)}`;
  return [
    {
      type: LIMITED,
      status: 'True',
      reason: 'MultipleRevisions',
      message: `pods of two revisions exist, and ${names} per pod does not fall when pods are added, so ${effect} until one revision has the whole traffic`,
    },
  ];
}
