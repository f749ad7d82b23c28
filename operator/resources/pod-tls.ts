/** HTTPS to the pods (`traffic.backendTLS`): the certificate of the pods that serve it. */
import { ENV, TLS_DIR } from '../../contract/image.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import { servingCertificate } from './secret-refs.js';

const VOLUME = 'backend-tls';
export const HTTPS = 'HTTPS';

/** Additions to a pod. The API reloads the files when the certificate is renewed. */
export function podTls(spec: PcfApiSpec) {
  const refs = servingCertificate(spec);
  const [cert, key] = refs;
  if (!cert || !key) return { scheme: 'HTTP', env: [], volumes: [], volumeMounts: [] };
  const items = refs.map((ref) => ({ key: ref.key, path: ref.key }));
  return {
    scheme: HTTPS,
    env: [
      { name: ENV.tlsCertFile, value: `${TLS_DIR}/${cert.key}` },
      { name: ENV.tlsKeyFile, value: `${TLS_DIR}/${key.key}` },
    ],
    volumes: [{ name: VOLUME, secret: { secretName: cert.name, defaultMode: 0o440, items } }],
    volumeMounts: [{ name: VOLUME, mountPath: TLS_DIR, readOnly: true }],
  };
}
