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

/** Of these kinds they are. No step of a delivery needs one of them to be written. */
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
  /** Somebody else's autoscaler scales the PcfApi, so there must be none of ours. */
  autoscaled: boolean;
  /** There are pods to protect: a budget for none makes Kubernetes warn of it. */
  hasPods: boolean;
  /** Metrics that our autoscaler scales on. */
  metrics: readonly ScaleMetric[];
}

export function surroundings(api: PcfApi, { autoscaled, hasPods, metrics }: Surrounded): KubeObject[] {
  const objects = [
    networkPolicy(api),
    hasPods ? podDisruptionBudget(api) : undefined,
    certificate(api),
    gateway(api),
    referenceGrant(api),
    ingress(api),
    autoscaled ? undefined : horizontalPodAutoscaler(api, metrics),
    verticalPodAutoscaler(api),
    ...monitoring(api),
  ];
  return objects.filter((object) => object !== undefined);
}
