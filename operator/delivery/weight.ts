/** Arithmetic of weights and pods. Weights and shares are in percent. */
import type { DeliverySpec } from './delivery-spec.js';
import type { RevisionView } from './observation.js';

type Capacity = Pick<DeliverySpec, 'replicas' | 'maxUnavailable'>;

/** Whether the number of pods of both revisions is limited, so that the stable one makes room for the other. */
export function isSurgeLimited({
  maxSurge,
  split,
  strategy,
}: Pick<DeliverySpec, 'maxSurge' | 'split' | 'strategy'>): boolean {
  return maxSurge !== undefined && (split === 'exact' || strategy === 'RollingUpdate');
}

/** Whether the stable revision may have fewer pods than the whole traffic needs. */
export function mayStableShrink(spec: DeliverySpec): boolean {
  return isSurgeLimited(spec) || (spec.split === 'replicas' && spec.canaryPods !== 'full');
}

/** Pods that have capacity for the whole traffic while pods are replaced. */
export function podsForTraffic({ replicas, maxUnavailable }: Capacity): number {
  return replicas === 0 ? 0 : Math.max(1, replicas - maxUnavailable);
}

/** The share that `ready` pods have capacity for if `full` pods have capacity for the whole traffic. */
export function capacityShare(ready: number, full: number): number {
  return full === 0 ? 100 : Math.floor((100 * Math.min(ready, full)) / full);
}

/**
 * The share that pods may retain after others got the rest. Rounded up, where {@link capacityShare} is rounded
 * down: two of three pods retain 67 % after one got 33 %.
 */
function retainableShare(ready: number, full: number): number {
  return full === 0 ? 100 : Math.ceil((100 * Math.min(ready, full)) / full);
}

/** Pods that must be retained for a share that is routed to them. */
export function podsToRetain(share: number, full: number): number {
  let pods = Math.floor((full * share) / 100);
  while (retainableShare(pods, full) < share) pods++;
  return pods;
}

/** Pods needed for a share. A canary with a share of 0 has one pod, for requests with the header. */
export function podsForShare(weight: number, full: number): number {
  if (full === 0) return 0;
  return Math.max(1, Math.ceil((full * weight) / 100));
}

/**
 * Pods of the two revisions when there is no router and the share is the number
 * of pods: the split of `full` or `full + 1` pods that comes nearest to the weight,
 * and the cheaper of two that are as near.
 */
export function replicaShares(full: number, weight: number): { stable: number; update: number } {
  if (full === 0) return { stable: 0, update: 0 };
  if (weight === 0) return { stable: full, update: 1 };
  if (weight === 100) return { stable: full, update: full };
  const candidates = [full, full + 1].flatMap((total) =>
    Array.from({ length: total - 1 }, (_, index) => ({ update: index + 1, stable: total - index - 1 })),
  );
  const miss = (c: { stable: number; update: number }) =>
    Math.abs((100 * c.update) / (c.stable + c.update) - weight);
  return candidates.reduce((best, candidate) => (miss(candidate) < miss(best) ? candidate : best));
}

/** A weight, and why it is not the desired one. */
export interface LimitedWeight {
  weight: number;
  reason?: string;
}

/**
 * The effective weight: the desired one, at most the capacity of the new revision's ready pods, and at least what the
 * stable revision lacks, if it was made smaller. A revision without a ready pod gets no traffic. `routed` is the share
 * that the new revision has now; `scale` is the number of pods for the whole traffic when it got that share, if an
 * autoscaler raised `replicas` since.
 */
export function limitWeight(
  desired: number,
  stable: RevisionView,
  canary: RevisionView,
  spec: Capacity & Pick<DeliverySpec, 'split'>,
  routed = 0,
  scale = spec.replicas,
): LimitedWeight {
  if (canary.ready === 0)
    return limited(desired, 0, spec.replicas === 0 ? 'replicas is 0' : `no pod of ${canary.name} is ready`);
  if (stable.ready === 0) return limited(desired, 100, `no pod of ${stable.name} is ready`);
  if (spec.split === 'replicas') return weightOfPods(desired, stable, canary, spec.replicas);
  const full = podsForTraffic(spec);
  const before = podsForTraffic({ ...spec, replicas: Math.min(scale, spec.replicas) });
  // Until the pods that an autoscaler added are ready, the present ones retain the share that they have.
  const most = Math.max(
    capacityShare(canary.ready, full),
    Math.min(routed, capacityShare(canary.ready, before)),
  );
  if (desired > most) {
    const of = capacityShare(canary.ready, full) < most ? before : full;
    return limited(
      desired,
      most,
      `${canary.ready} of ${of} pods of ${canary.name} are ready, enough for ${most} %`,
    );
  }
  // Missing stable pods never raise the weight: they only keep it from falling before they are ready.
  const least =
    stable.replicas < full ? Math.min(routed, most, 100 - retainableShare(stable.ready, full)) : 0;
  return limited(
    desired,
    Math.max(desired, least),
    `${stable.ready} of ${full} pods of ${stable.name} are ready`,
  );
}

function weightOfPods(
  desired: number,
  stable: RevisionView,
  canary: RevisionView,
  full: number,
): LimitedWeight {
  if (desired === 0) return { weight: 0 };
  if (desired === 100 && canary.ready >= full) return { weight: 100 };
  const share = Math.round((100 * canary.ready) / (canary.ready + stable.ready));
  return limited(
    desired,
    Math.min(99, Math.max(1, share)),
    `without a router the weight is the share of ready pods: ${canary.ready} to ${stable.ready}`,
  );
}

function limited(desired: number, weight: number, reason: string): LimitedWeight {
  return weight === desired ? { weight } : { weight, reason };
}
