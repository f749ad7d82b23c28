/** Converts decisions of a plan to events for notifications. Pure. */
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import type { Decision } from '../delivery/delivery-plan.js';
import { approvalId } from '../delivery/request-ids.js';
import type { DeliveryEvent } from './event.js';

/** Facts about a revision. */
export interface RevisionFacts {
  image: string;
  source?: { commit?: string };
}

/**
 * Events of a plan. Their times are taken from the position, so that the same decision always results in the
 * same event. `position` is the position of the plan; `whoDecided` returns the author of a decision.
 */
export function deliveryEvents(
  decisions: readonly Decision[],
  position: DeliveryPosition,
  revisionOf: (name: string) => RevisionFacts | undefined,
  whoDecided: (decision: Decision) => string | undefined,
): DeliveryEvent[] {
  return decisions.flatMap((decision) => {
    const told = eventOf(decision, position);
    if (!told?.at) return [];
    const by = whoDecided(decision);
    return [{ ...told, at: told.at, ...facts(revisionOf(told.revision)), ...(by ? { by } : {}) }];
  });
}

type Told = Omit<DeliveryEvent, 'at'> & { at: string | undefined };

function eventOf(decision: Decision, position: DeliveryPosition): Told | undefined {
  const { startedAt, promotedAt, failed, stable, previous } = position;
  switch (decision.type) {
    case 'Started':
      // An undo is reported when it is complete, shortly after.
      if (decision.undo) return undefined;
      return { type: 'Started', revision: decision.revision, at: startedAt, from: stable };
    case 'Promoted':
      if (decision.undone) {
        const reason = `${decision.revision} receives the traffic again`;
        return { type: 'Undone', revision: decision.undone, at: promotedAt, reason };
      }
      return { type: 'Promoted', revision: decision.revision, at: promotedAt, from: previous };
    case 'Aborted': {
      const reason = `${decision.reason}: ${decision.message}`;
      return { type: 'Aborted', revision: decision.revision, at: failed?.at, from: stable, reason };
    }
    case 'ApprovalRequested':
      return approvalRequested(decision, position);
    default:
      return undefined;
  }
}

function approvalRequested(
  { revision, step, of }: Extract<Decision, { type: 'ApprovalRequested' }>,
  position: DeliveryPosition,
): Told {
  const { stable, approval } = position;
  const id = approvalId(position);
  const { since, linksExpireAt } = approval ?? {};
  return {
    ...{ type: 'ApprovalRequested', revision, at: since, from: stable },
    reason: `step ${step + 1} of ${of}`,
    ...(id && linksExpireAt ? { approval: { id, linksExpireAt } } : {}),
  };
}

function facts(revision: RevisionFacts | undefined) {
  const commit = revision?.source?.commit;
  return { ...(revision ? { image: revision.image } : {}), ...(commit ? { commit } : {}) };
}
