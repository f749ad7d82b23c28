/** The progress deadline: the longest time for which pods of a delivery may make no progress. */
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import type { DeliveryContext } from './context.js';
import type { RevisionView } from './observation.js';
import { isMigrated } from './revision-view.js';
import { isStartable } from './startable.js';

/** The message for an expired progress deadline. */
export function deadlineMessage({ canary, spec: { progressDeadlineMs } }: DeliveryContext): string {
  const { ready, replicas } = allPods(canary!);
  return `no progress for ${progressDeadlineMs / 1000} s: ${ready} of ${replicas} pods are ready`;
}

/** Time until the deadline; undefined if no pod is pending. */
export function deadlineLeftMs(context: DeliveryContext): number | undefined {
  const {
    canary,
    position: { progress },
    spec: { progressDeadlineMs, paused },
    now,
  } = context;
  if (!canary || !progress || paused || !isStartable(context)) return undefined;
  const { ready, replicas } = allPods(canary);
  if (!isMigrated(canary) || replicas === 0 || ready >= replicas) return undefined;
  return Math.min(progressDeadlineMs, Date.parse(progress.at) + progressDeadlineMs - now);
}

/** Once all pods were ready for this time, a pod that becomes unready gets a new deadline. */
const STEADY_MS = 60_000;

type Progress = NonNullable<DeliveryPosition['progress']>;
/** The conditions under which numbers of pods are comparable. */
type Stretch = Pick<Progress, 'migration' | 'step' | 'paused' | 'startable'>;

/**
 * Records the time of the last progress: more ready or more desired pods than before in this stretch, another step,
 * the end of a pause. Pods that are replaced are no progress.
 */
export function recordProgress(context: DeliveryContext): DeliveryPosition {
  const {
    canary,
    position,
    spec: { paused },
    now,
  } = context;
  if (!canary) return position;
  const at = new Date(now).toISOString();
  const { migration } = canary;
  const { ready, replicas } = allPods(canary);
  const { readySince, ...before } = position;
  const unchanged = ready < replicas ? before : { ...before, readySince: readySince ?? at };
  const stretch: Stretch = { migration, step: position.step ?? 0, paused, startable: isStartable(context) };
  const most = mostPods(position.progress, stretch);
  const wasSteady = readySince !== undefined && now - Date.parse(readySince) >= STEADY_MS;
  const isUnready = wasSteady && ready < replicas;
  if (ready <= most.ready && replicas <= most.replicas && !isUnready) return unchanged;
  const progress: Progress = {
    ...stretch,
    replicas: Math.max(replicas, most.replicas),
    ready: isUnready ? ready : Math.max(ready, most.ready),
    at,
  };
  return { ...unchanged, progress };
}

/** The pods of the API and the workers. */
function allPods({ ready, replicas, workers }: RevisionView): Pick<Progress, 'replicas' | 'ready'> {
  return { ready: ready + (workers?.ready ?? 0), replicas: replicas + (workers?.replicas ?? 0) };
}

/** The maximum of desired and of ready pods in the stretch so far. */
function mostPods(progress: Progress | undefined, stretch: Stretch): Pick<Progress, 'replicas' | 'ready'> {
  const isSame =
    progress?.migration === stretch.migration &&
    progress.step === stretch.step &&
    progress.paused === stretch.paused &&
    progress.startable === stretch.startable;
  return isSame ? progress : { replicas: -1, ready: -1 };
}
