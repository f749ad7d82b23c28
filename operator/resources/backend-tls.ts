/** HTTPS to the pods (`traffic.backendTLS`): the revisions that serve it, and the configuration of the gateways that use it. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { BackendTlsPolicyKind } from './kinds.js';
import { owned } from './metadata.js';
import type { PodTemplate } from './pod-template.js';
import { HTTPS } from './pod-tls.js';
import type { Revision } from './revision.js';

interface Probe {
  httpGet: { scheme: string };
}

/** Whether the pods of a revision serve HTTPS. During the delivery of a change, one of two revisions does. */
function servesHttps({ spec }: PodTemplate): boolean {
  return (spec.containers[0].readinessProbe as Probe | undefined)?.httpGet.scheme === HTTPS;
}

/** The revisions whose pods serve HTTPS, and how gateways verify them. */
export interface SecuredBackends {
  revisions: readonly string[];
  /** From the spec. After their removal there, from the newest revision that still serves HTTPS. */
  settings: Partial<BackendTls>;
}

type BackendTls = NonNullable<NonNullable<PcfApiSpec['traffic']>['backendTLS']>;

export function securedBackends({ spec }: PcfApi, revisions: readonly Revision[]): SecuredBackends {
  const secured = revisions
    .filter(({ template }) => servesHttps(template))
    .sort((a, b) => b.number - a.number);
  return {
    revisions: secured.map(({ name }) => name).sort(),
    settings: spec.traffic?.backendTLS ?? secured[0]?.inputs?.traffic?.backendTLS ?? {},
  };
}

/** The name that is requested from the pods and expected in their certificate. */
export function backendHostname({ metadata }: PcfApi, { settings }: SecuredBackends): string {
  return settings.hostname ?? `${metadata.name}.${metadata.namespace}.svc`;
}

/** Configures gateways to use TLS to these Services. */
export function backendTlsPolicy(
  api: PcfApi,
  secured: SecuredBackends,
  services: readonly string[],
): KubeObject {
  const { caConfigMapName: name } = secured.settings;
  const authority = name
    ? { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name }] }
    : { wellKnownCACertificates: 'System' };
  return owned(api, BackendTlsPolicyKind, api.metadata.name, {
    spec: {
      targetRefs: services.map((name) => ({ group: '', kind: 'Service', name })),
      validation: { hostname: backendHostname(api, secured), ...authority },
    },
  });
}

/** A component whose HTTP server for health checks has no TLS. */
export function withPlainProbes(container: PodTemplate['spec']['containers'][0]) {
  const plain = (given: unknown) => {
    const probe = given as Probe;
    return { ...probe, httpGet: { ...probe.httpGet, scheme: 'HTTP' } };
  };
  const { startupProbe, readinessProbe, livenessProbe } = container;
  return {
    ...container,
    startupProbe: plain(startupProbe),
    readinessProbe: plain(readinessProbe),
    livenessProbe: plain(livenessProbe),
  };
}
