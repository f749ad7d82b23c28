import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { certificateSecret } from './certificate.js';
import { GatewayKind, ReferenceGrantKind } from './kinds.js';
import { owned } from './metadata.js';

/** Allows the Gateways of other namespaces to use the certificate, whose Secret is in the namespace of the PcfApi. */
export function referenceGrant(api: PcfApi): KubeObject | undefined {
  const { tls, traffic } = api.spec;
  if (!tls || traffic?.provider !== 'GatewayAPI') return undefined;
  const namespaces = new Set(
    traffic.gateways.flatMap((gateway) => (gateway.includes('/') ? gateway.split('/')[0]! : [])),
  );
  namespaces.delete(api.metadata.namespace);
  if (namespaces.size === 0) return undefined;
  const { group, kind } = GatewayKind;
  return owned(api, ReferenceGrantKind, `${api.metadata.name}-tls`, {
    spec: {
      from: [...namespaces].sort().map((namespace) => ({ group, kind, namespace })),
      to: [{ group: '', kind: 'Secret', name: certificateSecret(api) }],
    },
  });
}
