/** Arithmetic of weights and pods. */
import type { DeliverySettings } from './delivery-spec.js';
import type { RevisionView } from './observation.js';

type Capacity = Pick<DeliverySettings, 'replicas' | 'maxUnavailable'>;

/** Whether both revisions together are held to a number of pods, so that the stable one makes room for the other. */
export function surges({
  maxSurge,
  split,
  strategy,
}: Pick<DeliverySettings, 'maxSurge' | 'split' | 'strategy'>): boolean {
  return maxSurge !== undefined && (split === 'exact' || strategy === 'RollingUpdate');
}

/** Whether the stable revision may have fewer pods than it needs to carry everything. */
export function makesRoom(settings: DeliverySettings): boolean {
  return surges(settings) || (settings.split === 'replicas' && settings.canaryPods !== 'full');
}

/** Pods that are enough for the whole traffic while pods are replaced. */
export function carryingPods({ replicas, maxUnavailable }: Capacity): number {
  return replicas === 0 ? 0 : Math.max(1, replicas - maxUnavailable);
}

/** The share, in percent, that `ready` pods can carry when `full` pods carry everything. */
export function carries(ready: number, full: number): number {
  return full === 0 ? 100 : Math.floor((100 * Math.min(ready, full)) / full);
}

/**
 * The share that pods may keep when others took the rest. Rounded up, where
 * {@link carries} is rounded down: of three pods two keep 67 % when one got 33 %.
 */
export function keeps(ready: number, full: number): number {
  return full === 0 ? 100 : Math.ceil((100 * Math.min(ready, full)) / full);
}

/** Pods that must stay for a share that is routed to them. */
export function podsKeeping(share: number, full: number): number {
  let pods = Math.floor((full * share) / 100);
  while (keeps(pods, full) < share) pods++;
  return pods;
}

/** Pods needed for a share. A canary that gets no share still has one pod, for the header's requests. */
export function podsFor(weight: number, full: number): number {
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

/** What the weight may be, and why it is not what was asked. */
export interface Clamped {
  weight: number;
  reason?: string;
}

/**
 * The weight in force: what was asked, held down to what the new revision's ready
 * pods can carry, and up to what the stable one's can't, if it was made smaller.
 * A revision with no ready pod gets nothing, whatever was asked. `routed` is the
 * share that the new revision has now; `scale` is the number of pods for the whole
 * traffic when it got it, where that is less than `replicas` by now.
 */
export function clampWeight(
  asked: number,
  stable: RevisionView,
  update: RevisionView,
  settings: Capacity & Pick<DeliverySettings, 'split'>,
  routed = 0,
  scale = settings.replicas,
): Clamped {
  if (update.ready === 0)
    return because(asked, 0, settings.replicas === 0 ? 'replicas is 0' : `no pod of ${update.name} is ready`);
  if (stable.ready === 0) return because(asked, 100, `no pod of ${stable.name} is ready`);
  if (settings.split === 'replicas') return sharedByPods(asked, stable, update, settings.replicas);
  const full = carryingPods(settings);
  const before = carryingPods({ ...settings, replicas: Math.min(scale, settings.replicas) });
  // What pods carried before an autoscaler asked for more, they carry until these are there.
  const most = Math.max(carries(update.ready, full), Math.min(routed, carries(update.ready, before)));
  if (asked > most) {
    const by = carries(update.ready, full) < most ? before : full;
    const words = `${update.ready} of ${by} pods of ${update.name} are ready and can carry ${most} %`;
    return because(asked, most, words);
  }
  // It never rises for want of stable pods: it only does not fall before they are back.
  const least = stable.replicas < full ? Math.min(routed, most, 100 - keeps(stable.ready, full)) : 0;
  return because(
    asked,
    Math.max(asked, least),
    `${stable.ready} of ${full} pods of ${stable.name} are ready`,
  );
}

function sharedByPods(asked: number, stable: RevisionView, update: RevisionView, full: number): Clamped {
  if (asked === 0) return { weight: 0 };
  if (asked === 100 && update.ready >= full) return { weight: 100 };
  const share = Math.round((100 * update.ready) / (update.ready + stable.ready));
  return because(
    asked,
    Math.min(99, Math.max(1, share)),
    `without a router the share is that of the ready pods, ${update.ready} to ${stable.ready}`,
  );
}

function because(asked: number, weight: number, reason: string): Clamped {
  return weight === asked ? { weight } : { weight, reason };
}
