import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-client.js';
import { ServiceAccountKind } from './kinds.js';
import { owned } from './metadata.js';

/** An identity of its own for the pods, with no rights and no token. A cloud maps it to a role of its own by annotations. */
export function serviceAccount(api: PcfApi): KubeObject {
  return owned(api, ServiceAccountKind, api.metadata.name, {
    ...api.spec.serviceAccount,
    automountServiceAccountToken: false,
  });
}
