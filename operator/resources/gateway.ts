import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { certificateSecret } from './certificate.js';
import { GatewayKind } from './kinds.js';
import { owned } from './metadata.js';

/**
 * A separate Gateway for `spec.traffic.gatewayClassName`: one listener per host, with HTTPS if there is a
 * certificate.
 */
export function gateway(api: PcfApi): KubeObject | undefined {
  const { traffic, tls } = api.spec;
  if (!traffic?.gatewayClassName) return undefined;
  const secure = {
    protocol: 'HTTPS',
    port: 443,
    tls: { certificateRefs: [{ name: certificateSecret(api) }] },
  };
  const listener = tls ? secure : { protocol: 'HTTP', port: 80 };
  return owned(api, GatewayKind, api.metadata.name, {
    spec: {
      gatewayClassName: traffic.gatewayClassName,
      listeners: traffic.hosts.map((hostname, index) => ({ name: `host-${index}`, hostname, ...listener })),
    },
  });
}
