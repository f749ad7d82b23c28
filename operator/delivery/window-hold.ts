/** Windows and freezes in the planner: which steps of the delivery they hold. The way back is never held. */
import type { GatedStep } from '../api/v1alpha1/spec/windows.js';
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import type { DeliveryContext } from './context.js';
import type { RevisionView } from './observation.js';
import { effectiveShare } from './route-share.js';

/**
 * The object of "waiting for" if a closed window holds a step of the delivery of `revision`; undefined if the step may
 * be taken.
 */
export function windowFor(
  context: DeliveryContext,
  step: Exclude<GatedStep, 'Contract' | 'Purge'>,
  revision = context.position.update,
): string | undefined {
  const waitingFor = context.observation.gate?.held[step];
  return waitingFor === undefined || isFirst(context) || isWayBack(context, revision)
    ? undefined
    : waitingFor;
}

/** No other revision serves: a restored cluster must not wait for the end of a freeze. */
function isFirst({ position }: DeliveryContext): boolean {
  return !position.stable;
}

/**
 * An undo, and a rollback to an older revision that was stable before, or to its image with other settings. Also true
 * without a delivery.
 */
export function isWayBack(
  { position, stable, revisions }: DeliveryContext,
  name: string | undefined,
): boolean {
  const { previous, served = [] } = position;
  if (name === undefined || name === previous) return true;
  if (position.undo && name === position.update) return true;
  const image = revisions.find((revision) => revision.name === name)?.image;
  const isSame = (other: RevisionView) =>
    other.name === name || (image !== undefined && image !== stable?.image && image === other.image);
  const isOlder = ({ number }: RevisionView) => number !== undefined && number < (stable?.number ?? 0);
  const wasStable = (other: RevisionView) => other.name === previous || served.includes(other.name);
  return revisions.some((other) => isSame(other) && isOlder(other) && wasStable(other));
}

/**
 * Limits the weight while a window is closed, to the effective weight when it closed, or to a lower desired weight
 * since: traffic may always return to the stable revision.
 */
export function limitWeightByWindow(context: DeliveryContext, requested: number): DeliveryPosition {
  const { position, observation, revisions } = context;
  const { heldWeight: before, ...rest } = position;
  if (!position.update || windowFor(context, 'Weight') === undefined) return rest;
  const share = before ?? effectiveShare(observation.route, revisions, position.update);
  const heldWeight = Math.min(share, requested);
  return {
    ...rest,
    heldWeight,
    ...(rest.weight === undefined ? {} : { weight: Math.min(rest.weight, heldWeight) }),
  };
}
