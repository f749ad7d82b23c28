import { horizontalScaling } from '../api/v1alpha1/defaults.js';
import { API_VERSION, KIND, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { VerticalPodAutoscalerKind } from './kinds.js';
import { owned } from './metadata.js';
import { API_CONTAINER } from './pod-template.js';

/** The deployment guide's bound. */
const MAX_ALLOWED = { cpu: '2', memory: '4Gi' };

/**
 * Sizes the pods of all revisions. It leaves alone what the horizontal autoscaler
 * scales on: both on one resource would chase each other.
 * @see https://github.com/kubernetes/autoscaler/blob/master/vertical-pod-autoscaler/docs/known-limitations.md
 */
export function verticalPodAutoscaler(api: PcfApi): KubeObject | undefined {
  const vertical = api.spec.autoscaling?.vertical;
  if (!vertical) return undefined;
  const horizontal = horizontalScaling(api);
  const free = (['cpu', 'memory'] as const).filter((resource) => horizontal?.[resource] === undefined);
  const { mode, controlledResources = free, minAllowed, maxAllowed = MAX_ALLOWED } = vertical;
  const policy = {
    containerName: API_CONTAINER,
    controlledResources,
    maxAllowed,
    ...(minAllowed ? { minAllowed } : {}),
  };
  return owned(api, VerticalPodAutoscalerKind, api.metadata.name, {
    spec: {
      targetRef: { apiVersion: API_VERSION, kind: KIND, name: api.metadata.name },
      updatePolicy: { updateMode: mode },
      resourcePolicy: { containerPolicies: [policy] },
    },
  });
}
