/**
 * Revisions on their way out keep their pods until the route has let go of them, and a
 * while longer: going back is instant as long. The while ends when another delivery gets
 * pods: two revisions at a time is what a cluster and a budget of connections are made for.
 */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import type { DeliverySettings } from './delivery-spec.js';
import type { Observation, RouteView } from './observation.js';
import { ALL_REVISIONS, shareOf } from './route-share.js';

export interface Retirement {
  replicas: Record<string, number>;
  retiring: NonNullable<DeliveryPosition['retiring']>;
  /** When the next one's time is up. In milliseconds. */
  wakeMs?: number;
}

export function retire(
  seen: Observation,
  { stable, update }: DeliveryPosition,
  planned: RouteView | undefined,
  { retireDelayMs, settleMs }: DeliverySettings,
  running: Record<string, number>,
  now: number,
): Retirement {
  const outgoing = seen.revisions.filter(
    ({ name, replicas }) => replicas > 0 && name !== stable && name !== update,
  );
  const isCrowded = update !== undefined && (running[update] ?? 0) > 0;
  // Never less than the data plane takes to act on the route that let go.
  const keepMs = isCrowded ? settleMs : Math.max(retireDelayMs, settleMs);
  const kept: Retirement = { replicas: {}, retiring: [] };
  for (const { name, replicas } of outgoing) {
    if (carriesTraffic(seen.route, name) || carriesTraffic(planned, name)) {
      kept.replicas[name] = replicas;
      continue;
    }
    const since =
      seen.position.retiring?.find(({ revision }) => revision === name)?.since ?? new Date(now).toISOString();
    // A clock that was set back must not keep the pods for ever.
    const waitMs = Math.min(Date.parse(since) + keepMs - now, keepMs);
    // Recorded until its pods are removed: if the removal is rejected, the time does not restart.
    kept.retiring.push({ revision: name, since });
    if (waitMs <= 0) continue;
    kept.replicas[name] = replicas;
    kept.wakeMs = Math.min(kept.wakeMs ?? waitMs, waitMs);
  }
  return kept;
}

function carriesTraffic(route: RouteView | undefined, name: string): boolean {
  const isSelected = route?.service === name || route?.service === ALL_REVISIONS;
  return shareOf(route, name) > 0 || route?.header === name || isSelected;
}
