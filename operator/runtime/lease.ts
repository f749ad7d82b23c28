/** The Lease object of leader election (coordination.k8s.io/v1). */
import type { KubeObject, ResourceType } from './kube-types.js';

export const LeaseKind: ResourceType = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
};

export interface Lease extends KubeObject {
  spec: {
    /** Empty: released. */
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

/** The Lease to write: created, acquired or renewed. */
export function heldBy(identity: string, durationMs: number, lease: Lease): Lease {
  const { holderIdentity, acquireTime, leaseTransitions = 0 } = lease.spec;
  const renewTime = microTime();
  const isOurs = holderIdentity === identity;
  const isNew = lease.metadata.resourceVersion === undefined;
  return {
    ...lease,
    spec: {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(durationMs / 1000),
      acquireTime: isOurs ? (acquireTime ?? renewTime) : renewTime,
      renewTime,
      leaseTransitions: isOurs || isNew ? leaseTransitions : leaseTransitions + 1,
    },
  };
}

/** The released Lease: another process can acquire it immediately. */
export function released(lease: Lease): Lease {
  const { leaseTransitions } = lease.spec;
  const now = microTime();
  const spec = { holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now };
  return { ...lease, spec: { ...spec, leaseTransitions } };
}

/** metav1.MicroTime of now. */
export function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z');
}
