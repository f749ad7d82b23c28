/** Identifiers that requests (annotations) name, so that a request for one delivery does not apply to the next. */
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';

/** The revision that an undo returns to: during a delivery or after an abort the stable one, else the one before it. */
export function undoTarget({ stable, update, failed, previous }: DeliveryPosition): string | undefined {
  return update || failed ? stable : previous;
}

/** Identifies a delivery; undefined between deliveries. */
export function deliveryId({ update, startedAt }: DeliveryPosition): string | undefined {
  return update && `${update}@${startedAt}`;
}

/** Identifies the current step of a delivery. */
export function stepId(position: DeliveryPosition): string | undefined {
  const { strategy, step = 0 } = position;
  const id = deliveryId(position);
  return id && `${id}/${strategy}/${step}`;
}

/**
 * Identifies one wait for the manual promotion of the current step; undefined if none is recorded. The time is a nonce:
 * a later wait at the same step of the same delivery has another id.
 */
export function approvalId(position: DeliveryPosition): string | undefined {
  const id = stepId(position);
  return id && position.approval && `${id}/${position.approval.since}`;
}

/** Identifies the failed delivery that a retry repeats; undefined if none failed. */
export function retryId({ failed }: Pick<DeliveryPosition, 'failed'>): string | undefined {
  return failed && `${failed.revision}@${failed.at}`;
}

/** Identifies all remaining steps of a delivery. */
export function fullId(position: DeliveryPosition): string | undefined {
  const id = deliveryId(position);
  return id && `${id}/full`;
}
