/** What stands around the pods of a PcfApi, whatever revision they are of. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject, ResourceType } from '../runtime/kube-types.js';
import { certificate } from './certificate.js';
import { gateway } from './gateway.js';
import { horizontalPodAutoscaler } from './horizontal-pod-autoscaler.js';
import { ingress } from './ingress.js';
import {
  CertificateKind,
  GatewayKind,
  HorizontalPodAutoscalerKind,
  IngressKind,
  NetworkPolicyKind,
  PodDisruptionBudgetKind,
  ServiceMonitorKind,
  VerticalPodAutoscalerKind,
} from './kinds.js';
import { monitoring } from './monitoring.js';
import { networkPolicy } from './network-policy.js';
import { podDisruptionBudget } from './pod-disruption-budget.js';
import { verticalPodAutoscaler } from './vertical-pod-autoscaler.js';

/** Of these kinds they are. No step of a delivery needs one of them to be written. */
export const SURROUNDING_KINDS: readonly ResourceType[] = [
  NetworkPolicyKind,
  PodDisruptionBudgetKind,
  CertificateKind,
  GatewayKind,
  IngressKind,
  HorizontalPodAutoscalerKind,
  VerticalPodAutoscalerKind,
  ServiceMonitorKind,
];

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
