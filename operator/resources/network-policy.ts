import { PORTS } from '../../contract/image.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { Destination, NetworkPeer } from '../api/v1alpha1/spec/traffic.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { NetworkPolicyKind } from './kinds.js';
import { commonLabels, owned } from './metadata.js';

const NAMESPACE_NAME = 'kubernetes.io/metadata.name';
const DNS = 53;
const POSTGRESQL = 5432;
const REDIS = 6379;
const SENTINEL = 26379;
const HTTPS = 443;
const HTTP = 80;
const API_SERVER = 6443;
/**
 * Ports of the data plane of Istio: a sidecar gets configuration and certificate from istiod, and Prometheus
 * scrapes the sidecar. In ambient mode requests arrive by HBONE.
 * https://istio.io/latest/docs/ops/deployment/application-requirements/
 */
const ISTIO = { istiod: 15_012, mergedMetrics: 15_020, envoyMetrics: 15_090, hbone: 15_008 } as const;

/** Applies to all pods of the PcfApi: API, worker, auth and migrations. */
export function networkPolicy(api: PcfApi): KubeObject | undefined {
  const {
    policy = true,
    ingressFrom = [],
    egressTo = [],
    monitoringNamespace = 'monitoring',
    metricsFrom = [],
    database,
    redis,
  } = api.spec.network ?? {};
  if (!policy) return undefined;
  const isInMesh = api.spec.traffic?.provider === 'Istio';
  const monitoring = { namespaceSelector: { matchLabels: { [NAMESPACE_NAME]: monitoringNamespace } } };
  return owned(api, NetworkPolicyKind, api.metadata.name, {
    spec: {
      podSelector: { matchLabels: commonLabels(api) },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          ...(ingressFrom.length > 0 ? { from: ingressFrom.map(peer) } : {}),
          ports: tcp(PORTS.http, ...(isInMesh ? [ISTIO.hbone] : [])),
        },
        {
          from: [monitoring, ...metricsFrom.map(peer)],
          ports: tcp(PORTS.metrics, ...(isInMesh ? [ISTIO.mergedMetrics, ISTIO.envoyMetrics] : [])),
        },
      ],
      egress: [
        { ports: [{ protocol: 'UDP', port: DNS }, ...tcp(DNS)] },
        { ports: tcp(...portsOf(api.spec)) },
        ...(database ? [destination(database, POSTGRESQL)] : []),
        ...(redis ? [destination(redis, REDIS)] : []),
        ...egressTo.map((egress) => destination(egress)),
      ],
    },
  });
}

/** Ports that the pods may reach at any address, from the spec. Ports of URLs in Secrets are not read. */
function portsOf({ redis, monitoring, migrations, traffic, network }: PcfApiSpec): number[] {
  const { endpoint } = monitoring?.tracing ?? {};
  const isRedisAnywhere = redis && !network?.redis;
  return [
    ...new Set([
      ...(network?.database ? [] : [POSTGRESQL]),
      ...(isRedisAnywhere ? [REDIS] : []),
      ...(isRedisAnywhere && redis.mode === 'Sentinel' ? [SENTINEL] : []),
      HTTPS,
      ...(endpoint ? [portIn(new URL(endpoint))] : []),
      ...(traffic?.provider === 'Istio' ? [ISTIO.istiod, ISTIO.hbone] : []),
      // A Job that creates a backup is one of these pods.
      ...(migrations?.beforeContract?.job ? [API_SERVER] : []),
    ]),
  ];
}

function portIn({ port, protocol }: URL): number {
  return Number(port) || (protocol === 'https:' ? HTTPS : HTTP);
}

function destination({ to, ports }: Destination, usualPort?: number) {
  const open = ports ?? (usualPort ? [usualPort] : []);
  return { ...(to.length > 0 ? { to: to.map(peer) } : {}), ports: tcp(...open) };
}

function tcp(...ports: number[]) {
  return ports.map((port) => ({ protocol: 'TCP', port }));
}

function peer({ cidr, namespaceLabels, podLabels }: NetworkPeer) {
  if (cidr) return { ipBlock: { cidr } };
  return {
    ...(namespaceLabels ? { namespaceSelector: { matchLabels: namespaceLabels } } : {}),
    ...(podLabels ? { podSelector: { matchLabels: podLabels } } : {}),
  };
}
