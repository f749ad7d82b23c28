/** Edits and deletes objects of the operator, and awaits their repair. */
import assert from 'node:assert/strict';
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-client.js';
import type { AuditedCluster } from './audited-cluster.js';
import { eventually } from './pcf-api.js';

/** The API server normalizes some of these values, and omits empty objects. */
const PLACEMENT = {
  resources: { requests: { 'ephemeral-storage': '1024Mi' }, limits: { 'ephemeral-storage': '2048Mi' } },
  tmp: { sizeLimit: '1024Mi' },
  envFrom: [{ configMapRef: { name: 'proxy', optional: true } }],
  volumes: [
    { name: 'ca', configMap: { name: 'company-ca', optional: true, items: [{ key: 'a', path: 'a' }] } },
    { name: 'scratch', emptyDir: { sizeLimit: '0.5Gi' } },
    { name: 'empty', emptyDir: {} },
  ],
  volumeMounts: [{ name: 'scratch', mountPath: '/scratch', readOnly: false }],
  podMetadata: { labels: { team: '' }, annotations: { note: '' } },
  scheduling: { affinity: { podAffinity: {}, nodeAffinity: {} } },
  service: { type: 'LoadBalancer', annotations: { 'example.com/scheme': 'internal' } },
  serviceAccount: { labels: { team: 'payments' }, annotations: { 'example.com/role': 'api' } },
  network: { metricsFrom: [{ cidr: '10.0.1.0/24' }], database: { to: [{ cidr: '10.0.20.0/28' }] } },
};

/** PcfApis that together own an object of every kind. */
export const EVERY_KIND: Record<string, object> = {
  istio: { replicas: 2, network: { policy: true } },
  ingress: {
    traffic: { provider: 'None', hosts: ['ingress.example.com'], ingress: { className: 'public' } },
    ...PLACEMENT,
  },
  gateway: {
    environment: 'production',
    replicas: undefined,
    traffic: { provider: 'GatewayAPI', hosts: ['gateway.example.com'], gatewayClassName: 'public' },
    tls: { issuerRef: { kind: 'ClusterIssuer', name: 'letsencrypt' } },
    secrets: { provider: 'ExternalSecrets', store: { kind: 'SecretStore', name: 'vault' }, path: 'pcf-api' },
    autoscaling: { horizontal: { maxReplicas: 10, cpu: 70 }, vertical: { mode: 'Initial' } },
    monitoring: { serviceMonitor: true },
  },
  secured: {
    traffic: {
      provider: 'GatewayAPI',
      hosts: ['secured.example.com'],
      gateways: ['infra/public'],
      backendTLS: { secretName: 'pcf-api-secrets' },
    },
    tls: { issuerRef: { kind: 'ClusterIssuer', name: 'letsencrypt' } },
  },
};

/** The parts of an object that the operator sets. */
export function essence({ metadata, spec, data }: KubeObject): object {
  return { labels: metadata.labels, owners: metadata.ownerReferences, spec, data };
}

/** An object of this kind that the PcfApi `api` owns. */
export async function ownedOf(
  { client }: AuditedCluster,
  type: ResourceType,
  namespace: string,
): Promise<KubeObject> {
  const labelSelector = 'app.kubernetes.io/instance=api,app.kubernetes.io/managed-by=pcf-operator';
  const [object] = (await client.list(type, { namespace, labelSelector })).items;
  assert.ok(object, `${namespace} has a ${type.kind}`);
  return object;
}

/** Edits the object as `manager`, awaits the repair, and returns its duration in milliseconds. */
export async function editAndAwaitRepair(
  { client }: AuditedCluster,
  type: ResourceType,
  before: KubeObject,
  { patch, manager, subresource }: { patch: object; manager: string; subresource?: 'scale' },
): Promise<number> {
  const { namespace, name } = before.metadata;
  const answer = await client.patch(type, namespace, name, patch, { fieldManager: manager, subresource });
  const from = performance.now();
  const changed = subresource ? { ...before, spec: patch } : answer;
  assert.notDeepEqual(essence(changed), essence(before), 'the edit changes something');
  const wanted = JSON.stringify(essence(before));
  await eventually(
    `${type.kind} ${name} is repaired`,
    async () => JSON.stringify(essence(await client.get(type, namespace, name))) === wanted,
  );
  return performance.now() - from;
}

/** Deletes the object, awaits its recreation, and returns the duration in milliseconds. */
export async function deleteAndAwaitRestore(
  { client }: AuditedCluster,
  type: ResourceType,
  before: KubeObject,
): Promise<number> {
  const { namespace, name, uid } = before.metadata;
  await client.delete(type, namespace, name, { propagationPolicy: 'Background' });
  const from = performance.now();
  await eventually(`${type.kind} ${name} is recreated`, async () => {
    const { items } = await client.list(type, { namespace, fieldSelector: `metadata.name=${name}` });
    return items[0] !== undefined && items[0].metadata.uid !== uid;
  });
  return performance.now() - from;
}

/** The notes of a namespace's Events. */
export async function notesOf({ sandbox }: AuditedCluster, namespace: string): Promise<string> {
  const path = 'jsonpath={.items[*].message}';
  return sandbox.parts.kubectl.run(['get', 'events', '-n', namespace, '-o', path]);
}
