/** When a delivery is aborted: something failed that waiting does not fix. */
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

/** Why the revision on its way is to be aborted; undefined when it is not. The first rule that holds tells. */
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
    ? { reason: 'AbortRequested', message: 'an abort was requested' }
    : undefined;
}

/** What the API server dates, in whole seconds, is compared with what we date: so far their clocks may be apart. */
const CLOCK_SKEW_MS = 5_000;

/** Evidence from before this delivery is of an earlier try of the same revision. */
function revisionFailed(seen: Observation, { update, startedAt }: DeliveryPosition): Failure | undefined {
  const { failure } = view(seen, update!);
  if (!failure?.since || !startedAt) return failure;
  const isOfThisTry = Date.parse(failure.since) >= Date.parse(startedAt) - CLOCK_SKEW_MS;
  return isOfThisTry ? failure : undefined;
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
  return { reason: 'ProgressDeadlineExceeded', message: deadlineMessage(seen, position, settings) };
}

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
