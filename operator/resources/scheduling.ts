/** Scheduling constraints of the pods of a revision. */
import { topologySpread } from '../api/v1alpha1/defaults.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { podSelector } from './metadata.js';
import { withoutEmpty } from './without-empty.js';

const NODE = 'kubernetes.io/hostname';
const topologyKeys = { Zone: ['topology.kubernetes.io/zone', NODE], Node: [NODE], None: [] } as const;

type Toleration = NonNullable<NonNullable<PcfApi['spec']['scheduling']>['tolerations']>[number];

/** Adds the default operator, and removes empty fields. */
export function completeToleration({ operator = 'Equal', key, value, ...rest }: Toleration): Toleration {
  return { ...rest, operator, ...(key ? { key } : {}), ...(value ? { value } : {}) };
}

/** Removes empty blocks. Within the terms of affinity an empty selector has a meaning. */
export function givenAffinity(affinity: unknown): unknown {
  return withoutEmpty(affinity, 2);
}

/** Fields of a pod's spec. */
export function schedulingOf(api: PcfApi, revision: string): Record<string, unknown> {
  const { nodeSelector, tolerations, priorityClassName } = api.spec.scheduling ?? {};
  const affinity = givenAffinity(api.spec.scheduling?.affinity);
  const spread = topologyKeys[topologySpread(api.spec)].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    // A pod in another zone is better than a pending pod.
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: podSelector(api, revision) },
  }));
  return {
    ...(nodeSelector && Object.keys(nodeSelector).length > 0 ? { nodeSelector } : {}),
    ...(tolerations?.length ? { tolerations: tolerations.map(completeToleration) } : {}),
    ...(priorityClassName ? { priorityClassName } : {}),
    ...(affinity ? { affinity } : {}),
    ...(spread.length > 0 ? { topologySpreadConstraints: spread } : {}),
  };
}
