/** The Node object and its Lease. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isConflict, type KubeClient, type ResourceType } from '../../operator/runtime/kube-client.js';
import { now } from './time.js';

const NodeKind: ResourceType = { group: '', version: 'v1', kind: 'Node', plural: 'nodes', namespaced: false };
const LeaseKind: ResourceType = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
};

const CAPACITY = { cpu: '64', memory: '256Gi', 'ephemeral-storage': '256Gi', pods: '500' };
/** Intervals of the kubelet. */
const LEASE_SECONDS = 40;
const RENEW_MS = 10_000;

/** Creates a ready Node without taints. `logPort`: port for logs. */
export async function register(client: KubeClient, name: string, logPort: number): Promise<void> {
  const labels = { 'kubernetes.io/os': 'linux', 'kubernetes.io/hostname': name };
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } };
  await client.create(NodeKind, node).catch((error: unknown) => {
    if (!isConflict(error)) throw error;
  });
  const at = now();
  const status = {
    capacity: CAPACITY,
    allocatable: CAPACITY,
    addresses: [
      { type: 'InternalIP', address: '127.0.0.1' },
      { type: 'Hostname', address: name },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: logPort } },
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        reason: 'ProcessNode',
        message: 'runs pods as local processes',
        lastHeartbeatTime: at,
        lastTransitionTime: at,
      },
    ],
    nodeInfo: {
      kubeletVersion: 'process-node',
      operatingSystem: process.platform,
      architecture: process.arch,
    },
  };
  await client.patch(NodeKind, undefined, name, { status }, { subresource: 'status' });
  // The node lifecycle controller, which would remove the taint, does not run here.
  await client.patch(NodeKind, undefined, name, { spec: { taints: null } });
}

/** Renews the Lease of the node until the signal fires. */
export async function keepAlive(
  client: KubeClient,
  name: string,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    const lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace: 'kube-node-lease' },
      spec: {
        holderIdentity: name,
        leaseDurationSeconds: LEASE_SECONDS,
        renewTime: new Date().toISOString().replace('Z', '000Z'), // metav1.MicroTime
      },
    };
    await client.apply(LeaseKind, lease, { fieldManager: 'process-node', force: true }).catch(onError);
    await sleep(RENEW_MS, undefined, { signal }).catch(() => {});
  }
}
