/** What stands around the pods of a PcfApi, whatever revision they are of. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { certificate } from './certificate.js';
import { gateway } from './gateway.js';
import { horizontalPodAutoscaler } from './horizontal-pod-autoscaler.js';
import { ingress } from './ingress.js';
import { monitoring } from './monitoring.js';
import { networkPolicy } from './network-policy.js';
import { podDisruptionBudget } from './pod-disruption-budget.js';
import { verticalPodAutoscaler } from './vertical-pod-autoscaler.js';

/** `autoscaled`: somebody else's autoscaler scales the PcfApi, so there must be none of ours. */
export function surroundings(api: PcfApi, { autoscaled }: { autoscaled: boolean }): KubeObject[] {
  const objects = [
    networkPolicy(api),
    podDisruptionBudget(api),
    certificate(api),
    gateway(api),
    ingress(api),
    autoscaled ? undefined : horizontalPodAutoscaler(api),
    verticalPodAutoscaler(api),
    ...monitoring(api),
  ];
  return objects.filter((object) => object !== undefined);
}
