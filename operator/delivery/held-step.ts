/** The step that a closed window holds, for the status. */
import type { DeliveryContext } from './context.js';
import type { HeldStep } from './delivery-plan.js';
import { preparationWindow } from './preparation.js';
import { promotionWaitsFor, requestedWeight, stepView } from './steps.js';
import { windowFor } from './window-hold.js';

/** `startWaitsFor`: what the start of the delivery of the target waits for. */
export function heldStep(context: DeliveryContext, startWaitsFor: string | undefined): HeldStep | undefined {
  const { position, observation, spec } = context;
  if (startWaitsFor) return { step: 'Start', revision: observation.target, waitingFor: startWaitsFor };
  const { update: revision } = position;
  if (revision === undefined || spec.paused || revision !== observation.target) return undefined;
  const preparation = preparationWindow(context);
  if (preparation) return { step: 'Start', revision, waitingFor: preparation };
  const weight = windowFor(context, 'Weight');
  if (weight && (heldWeight(context) || stepView(context).step?.waitingFor === weight))
    return { step: 'Weight', revision, waitingFor: weight };
  const promotion = windowFor(context, 'Promotion');
  const isPromotionNext = (position.weight ?? 0) === 100 && promotionWaitsFor(context) === promotion;
  return promotion && isPromotionNext ? { step: 'Promotion', revision, waitingFor: promotion } : undefined;
}

/** The desired weight, if it is above the one that a closed window allows. */
export function heldWeight(context: DeliveryContext): { desired: number; waitingFor: string } | undefined {
  const { position, observation, spec } = context;
  if (position.heldWeight === undefined || spec.paused || observation.target !== position.update)
    return undefined;
  const desired = requestedWeight(context);
  const waitingFor = windowFor(context, 'Weight');
  return waitingFor && desired > position.heldWeight ? { desired, waitingFor } : undefined;
}
