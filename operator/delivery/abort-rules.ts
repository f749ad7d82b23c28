/** When a delivery is aborted: something failed that waiting does not fix. */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import type { DeliverySettings } from './delivery-spec.js';
import type { Failure, Observation } from './observation.js';
import { deadlineLeftMs, deadlineMessage } from './progress-deadline.js';
import { deliveryId } from './request-ids.js';
import { view } from './revision-view.js';
import { belowFloor } from './rollback-floor.js';

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
    ? { reason: 'AbortRequested', message: 'it was aborted by hand' }
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
