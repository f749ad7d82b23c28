/** Pods and metrics that autoscalers of a PcfApi measure now, and their condition in the status. */
import { fullReplicas } from '../api/v1alpha1/defaults.js';
import type { AutoscalingStatus } from '../api/v1alpha1/status/autoscaling.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import { scaleMetrics } from '../resources/horizontal-pod-autoscaler.js';
import { revisionScaling, scalingChanges } from '../resources/revision-scaling.js';
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

/** Undefined if a change of the settings takes effect immediately. */
export function autoscalingStatus(
  { api, revisions, delivery }: Pick<Observed, 'api' | 'revisions' | 'delivery'>,
  { position }: DeliveryPlan,
): AutoscalingStatus | undefined {
  const { stable } = position;
  if (!stable || !revisionScaling(api.spec)) return undefined;
  const settingsOf = (name: string) => revisions.get(name)?.inputs?.autoscaling?.horizontal;
  const { target } = delivery;
  const settings = settingsOf(stable);
  const changes = target === stable || !settings ? [] : scalingChanges(settings, settingsOf(target));
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
