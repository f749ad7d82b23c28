/** The ingress gateway: Envoy in a Pod, configured by istiod, with the labels that samples select. */

import { ISTIO_NAMESPACE, XDS } from './istiod.js';
import type { RealCluster } from './real-cluster.js';

const NAME = 'istio-ingressgateway';
const metadata = { name: NAME, namespace: ISTIO_NAMESPACE };
const labels = { app: NAME, istio: 'ingressgateway' };
const PORTS = { http: { port: 80, targetPort: 8080 }, https: { port: 443, targetPort: 8443 } };

/** Starts it. Returns the address of its Service. */
export async function startIngressGateway({ kubectl, images }: RealCluster): Promise<string> {
  await kubectl.apply([{ apiVersion: 'v1', kind: 'ServiceAccount', metadata }, ...rights()]);
  const token = await kubectl.run([
    ...['create', 'token', NAME, '-n', ISTIO_NAMESPACE, '--audience=istio-ca', '--duration=24h'],
  ]);
  await kubectl.apply([
    {
      ...{ apiVersion: 'v1', kind: 'Secret', metadata },
      stringData: { 'envoy.json': JSON.stringify(bootstrap(token.trim())) },
    },
    service(),
    deployment(images.envoy),
    publicGateway(),
  ]);
  await kubectl.run(['rollout', 'status', `deployment/${NAME}`, '-n', ISTIO_NAMESPACE, '--timeout=60s']);
  const address = ['get', 'service', NAME, '-n', ISTIO_NAMESPACE, '-o', 'jsonpath={.spec.clusterIP}'];
  return kubectl.run(address);
}

/** As in Istio's chart: istiod sends a certificate only to a gateway that may read its Secret. */
function rights(): object[] {
  const rbac = 'rbac.authorization.k8s.io';
  const role = {
    ...{ apiVersion: `${rbac}/v1`, kind: 'Role', metadata },
    rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get', 'watch', 'list'] }],
  };
  const binding = {
    ...{ apiVersion: `${rbac}/v1`, kind: 'RoleBinding', metadata },
    roleRef: { apiGroup: rbac, kind: 'Role', name: NAME },
    subjects: [{ kind: 'ServiceAccount', ...metadata }],
  };
  return [role, binding];
}

function service(): object {
  const ports = Object.entries(PORTS).map(([name, numbers]) => ({ name, ...numbers }));
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, labels },
    spec: { selector: labels, ports },
  };
}

/** The Gateway of the samples: `istio-system/public`. */
function publicGateway(): object {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name: 'public', namespace: ISTIO_NAMESPACE },
    spec: {
      selector: { istio: 'ingressgateway' },
      servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
    },
  };
}

function deployment(image: string): object {
  const field = (fieldPath: string) => ({ valueFrom: { fieldRef: { fieldPath } } });
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: NAME,
          // Scenarios drain the other node.
          nodeSelector: { 'kubernetes.io/hostname': 'node-1' },
          containers: [
            {
              name: 'envoy',
              image,
              command: ['/bin/envoy'],
              args: [
                ...['--config-path', '/etc/envoy/envoy.json', '--disable-hot-restart', '--concurrency', '2'],
                ...['--service-cluster', NAME, '--service-node'],
                `router~$(POD_IP)~$(POD_NAME).${ISTIO_NAMESPACE}~${ISTIO_NAMESPACE}.svc.cluster.local`,
              ],
              env: [
                { name: 'POD_IP', ...field('status.podIP') },
                { name: 'POD_NAME', ...field('metadata.name') },
              ],
              readinessProbe: { httpGet: { path: '/ready', port: 15_000 }, periodSeconds: 1 },
              volumeMounts: [
                { name: 'bootstrap', mountPath: '/etc/envoy' },
                { name: 'root', mountPath: '/etc/istio' },
              ],
            },
          ],
          volumes: [
            { name: 'bootstrap', secret: { secretName: NAME } },
            { name: 'root', configMap: { name: 'istio-ca-root-cert' } },
          ],
        },
      },
    },
  };
}

/** The configuration that Istio's agent would write. `token` belongs to the gateway's ServiceAccount. */
function bootstrap(token: string): object {
  const ads = { ads: {}, resource_api_version: 'V3' };
  const tls = {
    '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
    sni: `istiod.${ISTIO_NAMESPACE}.svc`,
    common_tls_context: {
      alpn_protocols: ['h2'],
      validation_context: { trusted_ca: { filename: '/etc/istio/root-cert.pem' } },
    },
  };
  const http2 = {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  };
  const address = (host: string, port: number) => ({ socket_address: { address: host, port_value: port } });
  const endpoint = { address: address(XDS.address, XDS.port) };
  return {
    node: {
      metadata: {
        NAMESPACE: ISTIO_NAMESPACE,
        SERVICE_ACCOUNT: NAME,
        WORKLOAD_NAME: NAME,
        LABELS: labels,
        CLUSTER_ID: 'Kubernetes',
        ISTIO_VERSION: '1.31.0',
      },
    },
    admin: { address: address('0.0.0.0', 15_000) },
    dynamic_resources: {
      lds_config: ads,
      cds_config: ads,
      ads_config: {
        ...{ api_type: 'GRPC', transport_api_version: 'V3' },
        grpc_services: [
          {
            envoy_grpc: { cluster_name: 'xds-grpc' },
            initial_metadata: [{ key: 'authorization', value: `Bearer ${token}` }],
          },
        ],
      },
    },
    static_resources: {
      clusters: [
        {
          ...{ name: 'xds-grpc', type: 'STATIC', connect_timeout: '5s' },
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': http2,
          },
          transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: tls },
          load_assignment: { cluster_name: 'xds-grpc', endpoints: [{ lb_endpoints: [{ endpoint }] }] },
        },
      ],
    },
  };
}
