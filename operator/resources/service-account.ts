import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-client.js';
import { ServiceAccountKind } from './kinds.js';
import { owned } from './metadata.js';

/** ServiceAccount of the pods, without permissions and without a token. Annotations map it to a role of a cloud provider. */
export function serviceAccount(api: PcfApi): KubeObject {
  return owned(api, ServiceAccountKind, api.metadata.name, {
    ...api.spec.serviceAccount,
    automountServiceAccountToken: false,
  });
}
