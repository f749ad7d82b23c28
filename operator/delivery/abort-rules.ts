/** Reasons to abort a delivery: failures that waiting does not fix. */
import type { DeliveryContext } from './context.js';
import type { Failure } from './observation.js';
import { deadlineLeftMs, deadlineMessage } from './progress-deadline.js';
import { deliveryId } from './request-ids.js';
import { belowFloorMessage } from './rollback-floor.js';
import { firstFinding, type Rule } from './rule-chain.js';

type AbortRule = Rule<DeliveryContext, Failure>;

const rules: readonly AbortRule[] = [
  abortRequested,
  revisionFailed,
  belowRollbackFloor,
  analysisFailed,
  deadlineExceeded,
];

/** Why the delivery must be aborted; undefined if it continues. A paused delivery is aborted only on request. */
export function abortReason(context: DeliveryContext): Failure | undefined {
  if (!context.canary) return undefined;
  return firstFinding(context.spec.paused ? [abortRequested] : rules, context);
}

function abortRequested({ position, spec: { requests } }: DeliveryContext): Failure | undefined {
  const id = deliveryId(position);
  return id && requests.abort === id
    ? { reason: 'AbortRequested', message: 'an abort was requested' }
    : undefined;
}

/** Tolerated difference between the clocks of the API server, which has a resolution of seconds, and the operator. */
const CLOCK_SKEW_MS = 5_000;

/** A failure from before the start of the delivery belongs to an earlier attempt at the same revision. */
function revisionFailed({ canary, position: { startedAt } }: DeliveryContext): Failure | undefined {
  const { failure } = canary!;
  if (!failure?.since || !startedAt) return failure;
  const isOfThisAttempt = Date.parse(failure.since) >= Date.parse(startedAt) - CLOCK_SKEW_MS;
  return isOfThisAttempt ? failure : undefined;
}

/** An old image with new settings: its known migrations are reported only when its migrations run. */
function belowRollbackFloor({ revisions, position, canary }: DeliveryContext): Failure | undefined {
  const message = belowFloorMessage(revisions, position, canary!.name);
  return message ? { reason: 'BelowRollbackFloor', message } : undefined;
}

function analysisFailed({ observation: { analysis } }: DeliveryContext): Failure | undefined {
  return analysis?.verdict === 'Failed' ? { reason: 'AnalysisFailed', message: analysis.message } : undefined;
}

function deadlineExceeded(context: DeliveryContext): Failure | undefined {
  const leftMs = deadlineLeftMs(context);
  if (leftMs === undefined || leftMs > 0) return undefined;
  return { reason: 'ProgressDeadlineExceeded', message: deadlineMessage(context) };
}
