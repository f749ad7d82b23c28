/**
 * Revisions that are neither stable nor being delivered retain their pods until the route no longer selects them, and
 * for a delay, during which an undo is instant. The delay ends when another delivery gets pods: capacity of the cluster
 * and the connection budget allow for two revisions.
 */
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import type { DeliveryContext } from './context.js';
import type { RouteView } from './observation.js';
import { ALL_REVISIONS, shareOf } from './route-share.js';

export interface Retirement {
  replicas: Record<string, number>;
  retiring: NonNullable<DeliveryPosition['retiring']>;
  /** When the next delay ends. In milliseconds. */
  wakeMs?: number;
}

/** `running`: the pods of the two revisions of the delivery. */
export function retire(
  { observation, revisions, position, recorded, spec, now }: DeliveryContext,
  planned: RouteView | undefined,
  running: Record<string, number>,
): Retirement {
  const { stable, update } = position;
  const { retireDelayMs, settleMs } = spec;
  const outgoing = revisions.filter(
    ({ name, replicas }) => replicas > 0 && name !== stable && name !== update,
  );
  const hasCanaryPods = update !== undefined && (running[update] ?? 0) > 0;
  // At least the time that the data plane needs to apply the route.
  const delayMs = hasCanaryPods ? settleMs : Math.max(retireDelayMs, settleMs);
  const result: Retirement = { replicas: {}, retiring: [] };
  for (const { name, replicas } of outgoing) {
    if (isRouted(observation.route, name) || isRouted(planned, name)) {
      result.replicas[name] = replicas;
      continue;
    }
    const known = recorded.retiring?.find(({ revision }) => revision === name);
    const since = known?.since ?? new Date(now).toISOString();
    // A clock that was set back must not retain the pods longer.
    const waitMs = Math.min(Date.parse(since) + delayMs - now, delayMs);
    // Recorded until its pods are removed: if the removal is rejected, the time does not restart.
    result.retiring.push({ revision: name, since });
    if (waitMs <= 0) continue;
    result.replicas[name] = replicas;
    result.wakeMs = Math.min(result.wakeMs ?? waitMs, waitMs);
  }
  return result;
}

function isRouted(route: RouteView | undefined, name: string): boolean {
  const isSelected = route?.service === name || route?.service === ALL_REVISIONS;
  return shareOf(route, name) > 0 || route?.header === name || isSelected;
}
