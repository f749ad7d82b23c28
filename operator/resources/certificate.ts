import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { CertificateKind } from './kinds.js';
import { owned } from './metadata.js';

/** Name of the Secret with the certificate for `spec.traffic.hosts`. */
export function certificateSecret({ metadata, spec }: PcfApi): string {
  return spec.tls?.secretName ?? `${metadata.name}-tls`;
}

/** cert-manager issues and renews the certificate. Without an issuer it is an existing Secret. */
export function certificate(api: PcfApi): KubeObject | undefined {
  const { tls, traffic } = api.spec;
  if (!tls?.issuerRef) return undefined;
  return owned(api, CertificateKind, api.metadata.name, {
    spec: {
      secretName: certificateSecret(api),
      issuerRef: { group: 'cert-manager.io', kind: tls.issuerRef.kind, name: tls.issuerRef.name },
      dnsNames: traffic?.hosts ?? [],
      privateKey: { algorithm: 'ECDSA', size: 256, rotationPolicy: 'Always' },
    },
  });
}
