import { PATHS } from '../../contract/image.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { certificateSecret } from './certificate.js';
import { componentName } from './components.js';
import { IngressKind } from './kinds.js';
import { owned } from './metadata.js';
import { SERVICE_PORT } from './service.js';

/** With provider None: routes the hosts to the Service, which selects the revision. */
export function ingress(api: PcfApi): KubeObject | undefined {
  const { traffic, tls } = api.spec;
  if (!traffic?.ingress) return undefined;
  const { className, annotations } = traffic.ingress;
  const path = (value: string, service: string) => ({
    path: value,
    pathType: 'Prefix',
    backend: { service: { name: service, port: { number: SERVICE_PORT } } },
  });
  const auth = api.spec.components?.auth?.enabled ? [path(PATHS.auth, componentName(api, 'auth'))] : [];
  return owned(api, IngressKind, api.metadata.name, {
    annotations,
    spec: {
      ...(className ? { ingressClassName: className } : {}),
      ...(tls ? { tls: [{ hosts: traffic.hosts, secretName: certificateSecret(api) }] } : {}),
      rules: traffic.hosts.map((host) => ({
        host,
        http: { paths: [...auth, path('/', api.metadata.name)] },
      })),
    },
  });
}
