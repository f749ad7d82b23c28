/** The progress deadline of a delivery: how long its pods may make no progress. */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import type { DeliverySettings } from './delivery-spec.js';
import type { Observation } from './observation.js';
import { migrated, view } from './revision-view.js';

/** The message for an expired progress deadline. */
export function deadlineMessage(
  seen: Observation,
  { update }: DeliveryPosition,
  { progressDeadlineMs }: DeliverySettings,
): string {
  const { ready, replicas } = view(seen, update!);
  return `no progress for ${progressDeadlineMs / 1000} s: ${ready} of ${replicas} pods are ready`;
}

/** Time left for pods that are not ready; undefined when no pod is waited for. */
export function deadlineLeftMs(
  seen: Observation,
  { update, progressAt }: DeliveryPosition,
  { progressDeadlineMs, paused }: DeliverySettings,
  now: number,
): number | undefined {
  if (!update || !progressAt || paused || !seen.startable) return undefined;
  const canary = view(seen, update);
  if (!migrated(canary) || canary.replicas === 0 || canary.ready >= canary.replicas) return undefined;
  return Math.min(progressDeadlineMs, Date.parse(progressAt) + progressDeadlineMs - now);
}

/** Pods that were all ready for so long were well: should one be missing, it has its time again. */
const STEADY_MS = 60_000;

/**
 * Notes when something last went forward: more pods ready than before in this stretch, more
 * asked for, another step, a pause that ended. Pods that come and go are no progress.
 */
export function noteProgress(
  seen: Observation,
  position: DeliveryPosition,
  { paused }: DeliverySettings,
  now: number,
): DeliveryPosition {
  if (!position.update) return position;
  const at = new Date(now).toISOString();
  const { ready, replicas, migration } = view(seen, position.update);
  const { readySince, ...before } = position;
  const noted = ready < replicas ? before : { ...before, readySince: readySince ?? at };
  const stretch = [migration, position.step ?? 0, paused, seen.startable].join('/');
  const most = mostBefore(position, stretch);
  const wasSteady = readySince !== undefined && now - Date.parse(readySince) >= STEADY_MS;
  const isMissed = wasSteady && ready < replicas;
  if (ready <= most.ready && replicas <= most.replicas && !isMissed) return noted;
  const progress = [
    stretch,
    Math.max(replicas, most.replicas),
    isMissed ? ready : Math.max(ready, most.ready),
  ].join('/');
  return { ...noted, progress, progressAt: at };
}

/** The most pods that were asked for, and the most that were ready, in the stretch so far. */
function mostBefore({ progress = '' }: DeliveryPosition, stretch: string) {
  if (!progress.startsWith(`${stretch}/`)) return { replicas: -1, ready: -1 };
  const [replicas = 0, ready = 0] = progress.split('/').slice(-2).map(Number);
  return { replicas, ready };
}
