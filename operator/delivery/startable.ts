/** Whether the new revision may get pods and migration Jobs. */
import type { DeliveryContext } from './context.js';
import { isWayBack } from './window-hold.js';

/** Whether everything that a new pod of the delivery needs exists. */
export function isStartable(context: DeliveryContext): boolean {
  return context.observation.startable && isSupported(context);
}

/** A missing feature of a Gateway does not hold the way back: the revision has served before. */
export function isSupported(context: DeliveryContext): boolean {
  const { observation, position, stable } = context;
  return !observation.isUnsupported || (stable !== undefined && isWayBack(context, position.update));
}
