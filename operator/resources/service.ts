import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-client.js';
import { ServiceKind } from './kinds.js';
import { LABELS, owned, podSelector } from './metadata.js';

export const SERVICE_PORT = 80;
const HTTPS_PORT = 443;

/** Value of a revision label that no pod has: the Service has no endpoints until a revision can serve. */
export const NO_REVISION = 'none';

/** The Service of the API. `pinnedTo` narrows it to one revision: callers outside a mesh reach no other. */
export function service(api: PcfApi, pinnedTo?: string): KubeObject {
  const { type, annotations } = api.spec.service ?? {};
  return owned(api, ServiceKind, api.metadata.name, {
    ...(annotations ? { annotations } : {}),
    spec: {
      ...(type ? { type } : {}),
      ...specFor(podSelector(api, pinnedTo), api.spec.traffic?.backendTLS ? [https] : []),
    },
  });
}

/** With BlueGreen: selects the revision being delivered, for tests before the switch. */
export function previewService(api: PcfApi, revision: string): KubeObject {
  return owned(api, ServiceKind, `${api.metadata.name}-preview`, {
    spec: specFor(podSelector(api, revision)),
  });
}

/** The pods of all revisions: the host that Istio's subsets narrow to one revision. Clients do not use it. */
export function allRevisionsService(api: PcfApi): KubeObject {
  return owned(api, ServiceKind, allRevisionsName(api), { spec: specFor(podSelector(api)) });
}

export function allRevisionsName({ metadata }: PcfApi): string {
  return `${metadata.name}-revisions`;
}

/** The Service of one revision: a weighted backend of an HTTPRoute. */
export function revisionService(api: PcfApi, revision: string): KubeObject {
  return owned(api, ServiceKind, revision, {
    labels: { [LABELS.revision]: revision },
    spec: specFor(podSelector(api, revision)),
  });
}

/** The Service of a component. */
export function componentService(
  api: PcfApi,
  name: string,
  labels: Record<string, string>,
  selector: Record<string, string>,
): KubeObject {
  return owned(api, ServiceKind, name, { labels, spec: specFor(selector) });
}

const http = {
  name: 'http',
  port: SERVICE_PORT,
  targetPort: 'http',
  protocol: 'TCP',
  appProtocol: 'http',
} as const;
/** The same port of the pods, for callers that use TLS themselves. */
const https = { ...http, name: 'https', port: HTTPS_PORT, appProtocol: 'https' } as const;

function specFor(selector: Record<string, string>, ports: readonly object[] = []) {
  return { selector, ports: [http, ...ports] };
}
