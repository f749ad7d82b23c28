/** Objects related to the pods of a PcfApi, independent of revisions. */
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
  ReferenceGrantKind,
  ServiceMonitorKind,
  VerticalPodAutoscalerKind,
} from './kinds.js';
import { monitoring } from './monitoring.js';
import { networkPolicy } from './network-policy.js';
import { podDisruptionBudget } from './pod-disruption-budget.js';
import { referenceGrant } from './reference-grant.js';
import type { ScaleMetric } from './scale-view.js';
import { verticalPodAutoscaler } from './vertical-pod-autoscaler.js';

/** Their kinds. No step of a delivery depends on them. */
export const SURROUNDING_KINDS: readonly ResourceType[] = [
  NetworkPolicyKind,
  PodDisruptionBudgetKind,
  CertificateKind,
  GatewayKind,
  ReferenceGrantKind,
  IngressKind,
  HorizontalPodAutoscalerKind,
  VerticalPodAutoscalerKind,
  ServiceMonitorKind,
];

export interface Surrounded {
  /** The PcfApi as autoscalers read it. */
  scaledApi: PcfApi;
  /** Another autoscaler scales the PcfApi, so the operator creates none. */
  autoscaled: boolean;
  /**
   * Whether there are pods to protect. Kubernetes reports a warning for a budget without pods, and updates its status
   * for each pod that becomes ready; a pod that is not ready may be evicted anyway.
   */
  hasPodsToProtect: boolean;
  /** Metrics that the autoscaler of the operator scales on. */
  metrics: readonly ScaleMetric[];
}

export function surroundings(
  api: PcfApi,
  { scaledApi, autoscaled, hasPodsToProtect, metrics }: Surrounded,
): KubeObject[] {
  const objects = [
    networkPolicy(api),
    hasPodsToProtect ? podDisruptionBudget(api) : undefined,
    certificate(api),
    gateway(api),
    referenceGrant(api),
    ingress(api),
    autoscaled ? undefined : horizontalPodAutoscaler(scaledApi, metrics),
    verticalPodAutoscaler(scaledApi),
    ...monitoring(api),
  ];
  return objects.filter((object) => object !== undefined);
}
