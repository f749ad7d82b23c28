/** Identifiers that requests (annotations) name: one delivery, one step of it, or all of its remaining steps. */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';

/** Where an undo leads: out of a delivery, or back from what was aborted, to the stable revision; else to the one before it. */
export function wayBack({ stable, update, failed, previous }: DeliveryPosition): string | undefined {
  return update || failed ? stable : previous;
}

/** Names one delivery: requests that speak of another one are none. Undefined between deliveries. */
export function deliveryId({ update, startedAt }: DeliveryPosition): string | undefined {
  return update && `${update}@${startedAt}`;
}

/** Names the step that a delivery is at: a request to continue from it is none to continue from another one. */
export function stepId(position: DeliveryPosition): string | undefined {
  const { strategy, step = 0 } = position;
  const id = deliveryId(position);
  return id && `${id}/${strategy}/${step}`;
}

/** Names all steps of a delivery that are left. */
export function fullId(position: DeliveryPosition): string | undefined {
  const id = deliveryId(position);
  return id && `${id}/full`;
}
