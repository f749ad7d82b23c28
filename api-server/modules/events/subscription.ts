/** The events of a subscription: first the missed ones from the log, then new ones, without gaps and duplicates. */
import { GraphQLError } from 'graphql';
import { badUserInput } from '../../errors.js';
import type { EventFeed } from './event-feed.js';
import type { DomainEvent, EventLog } from './event-log.js';
import type { SubscriberQueue } from './subscriber-queue.js';

export interface EventFilter {
  /** Prefix of the event kinds. */
  prefix: 'DEPLOYMENT' | 'INCIDENT';
  serviceId?: string;
  environment?: string;
}

const REPLAY_BATCH = 200;
const CURSOR = /^e(\d{1,15})$/;

/** Position of a subscriber in the event log. Opaque to clients. */
export function eventCursor({ position }: DomainEvent): string {
  return Buffer.from(`e${position}`).toString('base64url');
}

function positionOf(cursor: string): number {
  const [, digits] = CURSOR.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? [];
  if (digits === undefined) throw badUserInput({ field: 'after', message: 'is not a cursor of an event' });
  return Number(digits);
}

/**
 * Events after a cursor, or new events. Calls `beforeEach` before it returns an event. Throws when
 * the cursor is invalid or its events are deleted.
 */
export async function subscribeToEvents(
  { log, feed }: { log: EventLog; feed: EventFeed },
  after: string | null | undefined,
  filter: EventFilter,
  beforeEach: () => void,
): Promise<AsyncIterableIterator<DomainEvent>> {
  const position = after == null ? undefined : positionOf(after);
  const { queue, range } = await feed.attach();
  const { newest, deleted } = range;
  try {
    if (position !== undefined && position > newest) {
      throw badUserInput({ field: 'after', message: 'is not a cursor of an event of this API' });
    }
    if (position !== undefined && position < deleted) throw eventsExpiredError();
    const events = streamEvents({ log, queue }, position ?? newest, filter, beforeEach);
    return closeOnEnd(events, () => feed.detach(queue));
  } catch (error) {
    feed.detach(queue);
    throw error;
  }
}

async function* streamEvents(
  { log, queue }: { log: EventLog; queue: SubscriberQueue },
  from: number,
  filter: EventFilter,
  beforeEach: () => void,
): AsyncGenerator<DomainEvent, void> {
  let position = from;
  for (let events: DomainEvent[] = []; ; ) {
    events = await log.read(position, REPLAY_BATCH);
    for (const event of events) {
      position = event.position;
      if (!matchesFilter(event, filter)) continue;
      beforeEach();
      yield event;
    }
    if (events.length < REPLAY_BATCH) break;
  }
  for (let event = await queue.next(); event; event = await queue.next()) {
    if (event.position <= position || !matchesFilter(event, filter)) continue;
    beforeEach();
    yield event;
  }
  if (queue.hasOverflowed) throw subscriberTooSlowError();
}

/** `return()` of a generator takes effect only after its pending `await`. Ending the queue settles that await. */
function closeOnEnd(
  events: AsyncGenerator<DomainEvent, void>,
  close: () => void,
): AsyncIterableIterator<DomainEvent> {
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      const result = await events.next().catch((error: unknown) => {
        close();
        throw error;
      });
      if (result.done) close();
      return result as IteratorResult<DomainEvent>;
    },
    async return() {
      close();
      await events.return();
      return { done: true, value: undefined };
    },
  };
}

function matchesFilter({ kind, serviceId, environment }: DomainEvent, filter: EventFilter): boolean {
  return (
    kind.startsWith(filter.prefix) &&
    (filter.serviceId === undefined || filter.serviceId === serviceId) &&
    (filter.environment === undefined || filter.environment === environment)
  );
}

function eventsExpiredError(): GraphQLError {
  return new GraphQLError(
    'the events after this cursor were deleted; query the current state and subscribe without a cursor',
    { extensions: { code: 'EVENTS_EXPIRED', field: 'after' } },
  );
}

function subscriberTooSlowError(): GraphQLError {
  return new GraphQLError(
    'the client received events too slowly; subscribe again after the last received cursor',
    {
      extensions: { code: 'SUBSCRIBER_TOO_SLOW' },
    },
  );
}
