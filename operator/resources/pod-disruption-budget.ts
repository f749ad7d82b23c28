import { fullReplicas } from '../api/v1alpha1/defaults.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { PodDisruptionBudgetKind } from './kinds.js';
import { owned, podSelector } from './metadata.js';

/**
 * One budget for the pods of all revisions: a drain must not evict stable pods and the canary at the same
 * time. None for a single pod, because it would block the drain.
 */
export function podDisruptionBudget(api: PcfApi): KubeObject | undefined {
  const {
    enabled = true,
    minAvailable,
    maxUnavailable = 1,
  } = api.spec.availability?.podDisruptionBudget ?? {};
  if (!enabled || fullReplicas(api.spec) < 2) return undefined;
  return owned(api, PodDisruptionBudgetKind, api.metadata.name, {
    spec: {
      selector: { matchLabels: podSelector(api) },
      ...(minAvailable === undefined ? { maxUnavailable } : { minAvailable }),
      // A pod that is not ready serves no requests, and must not block a node drain.
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
    },
  });
}

/** The budget of a serving component. The settings of the spec refer to the number of API pods. */
export function componentBudget(
  api: PcfApi,
  name: string,
  replicas: number,
  matchLabels: Record<string, string>,
): KubeObject | undefined {
  const { enabled = true } = api.spec.availability?.podDisruptionBudget ?? {};
  if (!enabled || replicas < 2) return undefined;
  return owned(api, PodDisruptionBudgetKind, name, {
    spec: { selector: { matchLabels }, maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow' },
  });
}
