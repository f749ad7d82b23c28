/** When a delivery is given up: something failed that waiting does not mend. */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import { deliveryId, migrated, view } from './revisions.js';
import { belowFloor } from './rollback-floor.js';
import type { DeliverySettings, Failure, Observation } from './types.js';

type Rule = (
  seen: Observation,
  position: DeliveryPosition,
  settings: DeliverySettings,
  now: number,
) => Failure | undefined;

const rules: Rule[] = [askedFor, revisionFailed, schemaTooNew, analysisFailed, deadlineOver];

/** Why the revision on its way is to be given up; undefined when it is not. The first rule that holds tells. */
export function failureOf(
  seen: Observation,
  position: DeliveryPosition,
  settings: DeliverySettings,
  now: number,
): Failure | undefined {
  // A pause freezes everything but the hand that aborts.
  for (const rule of settings.paused ? [askedFor] : rules) {
    const failure = rule(seen, position, settings, now);
    if (failure) return failure;
  }
  return undefined;
}

function askedFor(
  _seen: Observation,
  position: DeliveryPosition,
  { requests }: DeliverySettings,
): Failure | undefined {
  const id = deliveryId(position);
  return id && requests.abort === id
    ? { reason: 'AbortRequested', message: 'it was aborted by hand' }
    : undefined;
}

/** Evidence from before this delivery is of an earlier try of the same revision. */
function revisionFailed(seen: Observation, { update, startedAt }: DeliveryPosition): Failure | undefined {
  const { failure } = view(seen, update!);
  if (failure?.since && startedAt && Date.parse(failure.since) < Date.parse(startedAt)) return undefined;
  return failure;
}

/** An old image under new settings: that it does not know what was contracted shows when it is migrated. */
function schemaTooNew(seen: Observation, position: DeliveryPosition): Failure | undefined {
  const message = belowFloor(seen.revisions, position, position.update!);
  return message ? { reason: 'BelowRollbackFloor', message } : undefined;
}

function analysisFailed({ analysis }: Observation): Failure | undefined {
  return analysis?.verdict === 'Failed' ? { reason: 'AnalysisFailed', message: analysis.message } : undefined;
}

function deadlineOver(
  seen: Observation,
  position: DeliveryPosition,
  settings: DeliverySettings,
  now: number,
): Failure | undefined {
  const leftMs = deadlineLeftMs(seen, position, settings, now);
  if (leftMs === undefined || leftMs > 0) return undefined;
  const { ready, replicas } = view(seen, position.update!);
  return {
    reason: 'ProgressDeadlineExceeded',
    message: `no progress for ${settings.progressDeadlineMs / 1000} s: ${ready} of ${replicas} pods are ready`,
  };
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

/** Notes when something last went forward: a pod more, a step, another number of pods asked for, a pause that ended. */
export function noteProgress(
  seen: Observation,
  position: DeliveryPosition,
  settings: DeliverySettings,
  now: number,
): DeliveryPosition {
  if (!position.update) return position;
  const { ready, replicas, migration } = view(seen, position.update);
  const progress = [ready, replicas, migration, position.step ?? 0, settings.paused, seen.startable].join(
    '/',
  );
  if (progress === position.progress) return position;
  return { ...position, progress, progressAt: new Date(now).toISOString() };
}
