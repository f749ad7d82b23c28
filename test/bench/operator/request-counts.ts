/** Requests to the API server per object, counted from its audit log. */
import type { AuditEvent, AuditOptions } from '../../support/cluster/audit-log.js';

/** Watches are not logged: their number does not depend on the number of objects. */
export const ALL_REQUESTS: AuditOptions = {
  rules: [
    { level: 'None', verbs: ['watch'] },
    { level: 'None', resources: [{ group: 'coordination.k8s.io' }] },
    { level: 'Metadata' },
  ],
  // In batches, outside of the requests.
  flags: [
    '--audit-log-mode=batch',
    '--audit-log-batch-max-wait=200ms',
    '--audit-log-batch-buffer-size=1000000',
    '--audit-log-batch-throttle-enable=false',
  ],
};

/** User agent of the stand-in kubelet: a kubelet would send these requests too. */
export const KUBELET_AGENT = 'stand-in-kubelet';

/** Sender of a request: the measured controller, Kubernetes with the kubelet, or the bench. */
export type Sender = 'subject' | 'Kubernetes' | 'bench';

/** One kind of request, with its number. */
export interface RequestCount {
  sender: Sender;
  /** The component, for example `deployment-controller`. */
  client: string;
  /** Verb and resource, for example `patch pods/status`. */
  request: string;
  count: number;
}

/** Requests for objects in the namespace, most frequent first. */
export function countRequests(events: readonly AuditEvent[], namespace: string): RequestCount[] {
  const counts = new Map<string, RequestCount>();
  for (const { verb, userAgent = '', objectRef = {} } of events) {
    if (objectRef.namespace !== namespace) continue;
    const { sender, client } = senderOf(userAgent);
    const resource = [objectRef.resource, objectRef.subresource].filter(Boolean).join('/');
    const request = `${verb} ${resource}`;
    const key = `${client} ${request}`;
    const known = counts.get(key) ?? { sender, client, request, count: 0 };
    counts.set(key, { ...known, count: known.count + 1 });
  }
  return [...counts.values()].sort((a, b) => b.count - a.count);
}

function senderOf(userAgent: string): Pick<RequestCount, 'sender' | 'client'> {
  if (/^(pcf-operator|rollouts-controller)/.test(userAgent))
    return { sender: 'subject', client: 'controller' };
  // Such as `kube-controller-manager/v1.37.2 (linux/amd64) kubernetes/abcdef/job-controller`.
  const controller = /^(?:kube-controller-manager|control-plane).*\/([\w:.-]+)$/.exec(userAgent)?.[1];
  if (controller) return { sender: 'Kubernetes', client: controller };
  const component = /^(kube-scheduler|kube-apiserver|stand-in-kubelet)/.exec(userAgent)?.[1];
  return component ? { sender: 'Kubernetes', client: component } : { sender: 'bench', client: userAgent };
}

/** Requests per object of each sender. */
export function perObject(counts: readonly RequestCount[], objects: number, sender: Sender): number {
  return counts.reduce((sum, one) => sum + (one.sender === sender ? one.count : 0), 0) / objects;
}
