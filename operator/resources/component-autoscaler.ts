/** Autoscaling of a component: a HorizontalPodAutoscaler on its Deployment. */
import { replicasSetters, TARGET_UTILIZATION } from '../api/v1alpha1/defaults.js';
import { FIELD_MANAGER, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import { apiVersionOf, type KubeObject } from '../runtime/kube-types.js';
import { DeploymentKind, HorizontalPodAutoscalerKind } from './kinds.js';
import { owned } from './metadata.js';

export type ComponentSpec = NonNullable<NonNullable<PcfApiSpec['components']>['worker']>;

/** Minimum and maximum number of pods; equal without autoscaling. */
export function podRange({ replicas = 1, autoscaling }: Partial<ComponentSpec> = {}): {
  min: number;
  max: number;
} {
  if (!autoscaling) return { min: replicas, max: replicas };
  return { min: autoscaling.minReplicas ?? 1, max: autoscaling.maxReplicas };
}

/** Whether each revision has workers of its own. An autoscaler, which a stored object may have too, has precedence. */
export function isWorkerDelivered({ components: { worker } = {} }: Pick<PcfApiSpec, 'components'>): boolean {
  return worker?.enabled === true && worker.canary?.enabled === true && !worker.autoscaling;
}

/**
 * `spec.replicas` of the Deployment; undefined once the autoscaler has set it. Until then the operator must
 * retain it: the API server resets a field without an owner to its default, and pods would stop.
 */
export function desiredReplicas(
  component: Partial<ComponentSpec> = {},
  live?: KubeObject,
): number | undefined {
  const { min, max } = podRange(component);
  if (!component.autoscaling || !live) return min;
  if (replicasSetters(live.metadata).some(({ manager }) => manager !== FIELD_MANAGER)) return undefined;
  const { replicas = min } = (live.spec ?? {}) as { replicas?: number };
  return Math.min(max, Math.max(min, replicas));
}

/** `name`: name of the Deployment. */
export function componentAutoscaler(
  api: PcfApi,
  name: string,
  labels: Record<string, string>,
  component: Partial<ComponentSpec> = {},
): KubeObject | undefined {
  if (!component.autoscaling) return undefined;
  const { min: minReplicas, max: maxReplicas } = podRange(component);
  const { cpu: averageUtilization = TARGET_UTILIZATION.cpu } = component.autoscaling;
  return owned(api, HorizontalPodAutoscalerKind, name, {
    labels,
    spec: {
      scaleTargetRef: { apiVersion: apiVersionOf(DeploymentKind), kind: DeploymentKind.kind, name },
      minReplicas,
      maxReplicas,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } },
      ],
    },
  });
}
