/** Traffic routing, certificates and network policy. */
import { z } from 'zod';
import { cel, dnsLabel, labels, objectName, stringMap } from '../kubernetes.js';

const host = z
  .string()
  .min(1)
  .max(253)
  .regex(/^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);

const gateway = z
  .string()
  .min(1)
  .max(317)
  .regex(/^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);

const ingress = z.strictObject({
  className: objectName
    .optional()
    .meta({ description: 'IngressClass. Default: the default class of the cluster.' }),
  annotations: stringMap(65_536, 64)
    .optional()
    .meta({ description: 'Annotations for the ingress controller.' }),
});

const backendTLS = z.strictObject({
  secretName: objectName.meta({
    description:
      'Secret of type kubernetes.io/tls in this namespace with the server certificate of the pods. The API reloads a renewed certificate without a restart.',
  }),
  hostname: z
    .string()
    .min(1)
    .max(253)
    .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/)
    .optional()
    .meta({
      description: 'Name in the certificate that gateways verify. Default: `<name>.<namespace>.svc`.',
    }),
  caConfigMapName: objectName.optional().meta({
    description:
      "With GatewayAPI: ConfigMap in this namespace whose `ca.crt` verifies the certificate. Default: the system's authorities.",
  }),
  caFile: z
    .string()
    .max(253)
    .regex(/^\/[-\w./]+$/)
    .optional()
    .meta({
      description:
        "With Istio: file in the proxies of gateways and sidecars that verifies the certificate. Default: the system's authorities.",
    }),
});

export const traffic = z
  .strictObject({
    provider: z
      .enum(['Istio', 'GatewayAPI', 'None'])
      .default('None')
      .meta({
        description:
          'Provider that splits the traffic. `Istio`: a VirtualService and a DestinationRule. `GatewayAPI`: an HTTPRoute. ' +
          'With both, the Service selects the pods of the stable revision only. ' +
          '`None`: no mesh is required, and the effective weight is the share of ready pods behind the Service.',
      }),
    hosts: z
      .array(host)
      .max(16)
      .default([])
      .meta({ description: 'Host names that clients use.', 'x-kubernetes-list-type': 'set' }),
    gateways: z.array(gateway).max(16).default([]).meta({
      description: 'Gateways that the routes attach to, as `namespace/name`, or `name` in this namespace.',
      'x-kubernetes-list-type': 'set',
    }),
    routeRef: z
      .strictObject({ name: objectName.meta({ description: 'Name of the route in this namespace.' }) })
      .optional()
      .meta({
        description:
          'An existing route that is used in place of a generated one: a VirtualService with Istio, an HTTPRoute with GatewayAPI. ' +
          'The operator sets the weights of the rules that route to the Service of this PcfApi, and adds a rule for the canary header before ' +
          'each of them. The rest of the route is not changed. The original rules are restored when routeRef is removed.',
      }),
    gatewayClassName: objectName.optional().meta({
      description:
        'With GatewayAPI: creates a Gateway of this class for the hosts, with an HTTPS listener if `tls` is set.',
    }),
    ingress: ingress.optional().meta({ description: 'With None: creates an Ingress for the hosts.' }),
    backendTLS: backendTLS.optional().meta({
      description:
        'HTTPS to the pods. The pods and their probes use HTTPS, the Service also has port 443, and gateways use TLS: with GatewayAPI ' +
        'by a BackendTLSPolicy, with Istio by the DestinationRule. A change of `secretName` starts a delivery. Default: HTTP.',
    }),
  })
  .meta(
    cel(
      {
        rule: "self.provider == 'None' || has(self.routeRef) || size(self.hosts) > 0",
        message:
          'hosts must name at least one host with provider Istio or GatewayAPI, unless routeRef names an existing route',
        fieldPath: '.hosts',
      },
      {
        rule: "self.provider != 'GatewayAPI' || has(self.routeRef) || size(self.gateways) > 0 || has(self.gatewayClassName)",
        message:
          'gateways must name at least one Gateway with provider GatewayAPI, unless gatewayClassName is set',
        fieldPath: '.gateways',
      },
      {
        rule: "self.provider == 'GatewayAPI' || !has(self.gatewayClassName)",
        message: 'gatewayClassName works with provider GatewayAPI only',
        fieldPath: '.gatewayClassName',
      },
      {
        rule: "!has(self.routeRef) || (self.provider != 'None' && size(self.hosts) == 0 && size(self.gateways) == 0 && !has(self.gatewayClassName))",
        message:
          'routeRef works with provider Istio or GatewayAPI, and instead of hosts, gateways and gatewayClassName: the existing route contains them',
        fieldPath: '.routeRef',
      },
      {
        rule: "!has(self.backendTLS) || !has(self.backendTLS.caConfigMapName) || self.provider == 'GatewayAPI'",
        message: 'backendTLS.caConfigMapName works with provider GatewayAPI only',
        fieldPath: '.backendTLS.caConfigMapName',
      },
      {
        rule: "!has(self.backendTLS) || !has(self.backendTLS.caFile) || self.provider == 'Istio'",
        message: 'backendTLS.caFile works with provider Istio only',
        fieldPath: '.backendTLS.caFile',
      },
      {
        rule: "!has(self.ingress) || (self.provider == 'None' && size(self.hosts) > 0)",
        message: 'ingress works with provider None, and needs hosts',
        fieldPath: '.ingress',
      },
    ),
  );

export const tls = z
  .strictObject({
    issuerRef: z
      .strictObject({
        kind: z
          .enum(['Issuer', 'ClusterIssuer'])
          .default('ClusterIssuer')
          .meta({ description: 'Kind of the issuer.' }),
        name: objectName.meta({ description: 'Name of the issuer.' }),
      })
      .optional()
      .meta({
        description:
          'Issuer of cert-manager that signs the certificate for `traffic.hosts`. Unset: `secretName` is an existing Secret.',
      }),
    secretName: objectName.optional().meta({
      description:
        'Secret of type kubernetes.io/tls with the certificate, in this namespace. Default: `<name>-tls`, which requires `issuerRef`. ' +
        'An Istio Gateway refers to it in credentialName.',
    }),
  })
  .meta(
    cel({
      rule: 'has(self.issuerRef) || has(self.secretName)',
      message:
        'give issuerRef, for a certificate from cert-manager, or secretName, for an existing Secret with a certificate',
    }),
  );

const labelsOf = (what: string) => labels.optional().meta({ description: `Labels of ${what}.` });

const peer = z
  .strictObject({
    namespaceLabels: labelsOf('the namespaces. Default: this namespace'),
    podLabels: labelsOf('the pods. Default: all pods'),
    cidr: z
      .string()
      .max(43)
      .regex(/^[0-9a-fA-F.:]+\/\d{1,3}$/)
      .optional()
      .meta({ description: 'Range of IP addresses, such as `10.0.0.0/8`, in place of labels.' }),
  })
  .meta(
    cel({
      rule: 'has(self.cidr) ? !has(self.namespaceLabels) && !has(self.podLabels) : has(self.namespaceLabels) || has(self.podLabels)',
      message: 'give either cidr, or namespaceLabels and podLabels',
    }),
  );
export type NetworkPeer = z.output<typeof peer>;

const egress = z.strictObject({
  to: z
    .array(peer)
    .max(32)
    .default([])
    .meta({ description: 'Destinations. Empty: any destination.', 'x-kubernetes-list-type': 'atomic' }),
  ports: z
    .array(z.int().min(1).max(65_535))
    .min(1)
    .max(32)
    .meta({ description: 'TCP ports.', 'x-kubernetes-list-type': 'set' }),
});

/** Addresses and ports of a server. They replace the rule that allows the default port at any address. */
const destination = (port: number) =>
  egress
    .extend({
      ports: egress.shape.ports
        .optional()
        .meta({ description: `TCP ports. Default: ${port}.`, 'x-kubernetes-list-type': 'set' }),
    })
    .optional();
export type Destination = NonNullable<z.output<ReturnType<typeof destination>>>;

export const network = z.strictObject({
  policy: z
    .boolean()
    .default(true)
    .meta({
      description:
        'Creates a NetworkPolicy. Ingress: HTTP from `ingressFrom` and metrics from `monitoringNamespace` and `metricsFrom`. ' +
        'Egress: DNS, HTTPS (443), PostgreSQL (5432, or `database`), with `redis` 6379, with its Sentinels 26379, the port of ' +
        '`monitoring.tracing.endpoint`, with `migrations.beforeContract` the API server (6443), and `egressTo`. ' +
        'With provider Istio also istiod (15012), the metrics of sidecars (15020, 15090) and HBONE (15008).',
    }),
  ingressFrom: z.array(peer).max(32).default([]).meta({
    description: 'Clients that may send requests. Empty: any client.',
    'x-kubernetes-list-type': 'atomic',
  }),
  egressTo: z.array(egress).max(32).default([]).meta({
    description:
      'Additional destinations that the pods may reach, such as a database, a replica or a Redis on a non-default port. The operator does not read ports from the URLs in Secrets.',
    'x-kubernetes-list-type': 'atomic',
  }),
  database: destination(5432).meta({
    description:
      'The only addresses and ports that the pods may reach for PostgreSQL, replicas included. Default: any address, on port 5432.',
  }),
  redis: destination(6379).meta({
    description:
      'The only addresses and ports that the pods may reach for Redis, Sentinels included. Default: any address, on port 6379, with Sentinels 26379.',
  }),
  metricsFrom: z.array(peer).max(32).default([]).meta({
    description: 'Clients that may read metrics, in addition to `monitoringNamespace`.',
    'x-kubernetes-list-type': 'atomic',
  }),
  monitoringNamespace: dnsLabel
    .default('monitoring')
    .meta({ description: 'Namespace that Prometheus scrapes from.' }),
});
