/** What a plan decided, as the events that people are told of. Pure. */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import type { Decision } from '../delivery/delivery-plan.js';
import type { DeliveryEvent } from './event.js';

/** What is known of a revision. */
export interface RevisionFacts {
  image: string;
  source?: { commit?: string };
}

/**
 * The events of a plan. Their times are those of the position, so that the same
 * decision is the same event, however often it is told of. `position` is the plan's;
 * `whoDecided` names who is behind a decision.
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
      // An undo is told of once it is done, which is a moment later.
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
    default:
      return undefined;
  }
}

function facts(revision: RevisionFacts | undefined) {
  const commit = revision?.source?.commit;
  return { ...(revision ? { image: revision.image } : {}), ...(commit ? { commit } : {}) };
}
