import { sizedResources } from '../api/v1alpha1/defaults.js';
import { API_VERSION, KIND, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { VerticalPodAutoscalerKind } from './kinds.js';
import { owned } from './metadata.js';
import { API_CONTAINER } from './pod-template.js';

/** Maximum in the deployment guide. */
const MAX_ALLOWED = { cpu: '2', memory: '4Gi' };

/** Sizes the pods of all revisions. Undefined if there is no resource to size. */
export function verticalPodAutoscaler(api: PcfApi): KubeObject | undefined {
  const vertical = api.spec.autoscaling?.vertical;
  const controlledResources = sizedResources(api);
  if (!vertical || controlledResources.length === 0) return undefined;
  const { mode, minAllowed, maxAllowed = MAX_ALLOWED } = vertical;
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
