import { type HorizontalScaling, horizontalScaling } from '../api/v1alpha1/defaults.js';
import { API_VERSION, KIND, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { HorizontalPodAutoscalerKind } from './kinds.js';
import { owned } from './metadata.js';
import type { ScaleMetric } from './scale-view.js';

/**
 * Scales the PcfApi through its scale subresource, independent of revisions. `metrics`: metrics in effect.
 */
export function horizontalPodAutoscaler(api: PcfApi, metrics = scaleMetrics(api)): KubeObject | undefined {
  const scaling = horizontalScaling(api);
  if (!scaling) return undefined;
  const { minReplicas, maxReplicas, behavior } = scaling;
  return owned(api, HorizontalPodAutoscalerKind, api.metadata.name, {
    spec: {
      scaleTargetRef: { apiVersion: API_VERSION, kind: KIND, name: api.metadata.name },
      minReplicas,
      maxReplicas,
      metrics,
      ...(behavior ? { behavior } : {}),
    },
  });
}

/** All metrics of the spec. */
export function scaleMetrics(api: PcfApi): readonly ScaleMetric[] {
  const { cpu, memory, metrics = [] }: Partial<HorizontalScaling> = horizontalScaling(api) ?? {};
  return [...utilization('cpu', cpu), ...utilization('memory', memory), ...metrics];
}

function utilization(name: 'cpu' | 'memory', percent: number | undefined) {
  if (percent === undefined) return [];
  return [
    { type: 'Resource', resource: { name, target: { type: 'Utilization', averageUtilization: percent } } },
  ];
}
