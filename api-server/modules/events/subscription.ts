/** What a subscription gets: first what it has missed, then what happens, without a gap and nothing twice. */
import { GraphQLError } from 'graphql';
import { badUserInput } from '../../platform/graphql/errors.js';
import type { EventFeed } from './event-feed.js';
import type { DomainEvent, EventLog } from './event-log.js';
import type { SubscriberQueue } from './subscriber-queue.js';

export interface EventFilter {
  /** Kinds begin with it. */
  prefix: 'DEPLOYMENT' | 'INCIDENT';
  serviceId?: string;
  environment?: string;
}

const REPLAY_BATCH = 200;
const CURSOR = /^e(\d{1,15})$/;

/** Where a subscriber stands. Opaque to clients. */
export function eventCursor({ position }: DomainEvent): string {
  return Buffer.from(`e${position}`).toString('base64url');
}

function positionOf(cursor: string): number {
  const [, digits] = CURSOR.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? [];
  if (digits === undefined) throw badUserInput({ field: 'after', message: 'is not the cursor of an event' });
  return Number(digits);
}

/**
 * Events after a cursor, or from now on. `beforeEach` is called before an event is
 * handed out. Throws when the cursor is none or too old.
 */
export async function subscribeToEvents(
  { log, feed }: { log: EventLog; feed: EventFeed },
  after: string | null | undefined,
  filter: EventFilter,
  beforeEach: () => void,
): Promise<AsyncIterableIterator<DomainEvent>> {
  const told = after == null ? undefined : positionOf(after);
  const queue = await feed.attach();
  try {
    const { newest, deleted } = await log.range();
    if (told !== undefined && told > newest) {
      throw badUserInput({ field: 'after', message: 'is not the cursor of an event of this API' });
    }
    if (told !== undefined && told < deleted) throw expired();
    const events = follow({ log, queue }, told ?? newest, filter, beforeEach);
    return closing(events, () => feed.detach(queue));
  } catch (error) {
    feed.detach(queue);
    throw error;
  }
}

async function* follow(
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
      if (!isWanted(event, filter)) continue;
      beforeEach();
      yield event;
    }
    if (events.length < REPLAY_BATCH) break;
  }
  for (let event = await queue.next(); event; event = await queue.next()) {
    if (event.position <= position || !isWanted(event, filter)) continue;
    beforeEach();
    yield event;
  }
  if (queue.overrun) throw tooSlow();
}

/** A generator that waits does not hear that nobody listens any more: its queue must be ended. */
function closing(
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

function isWanted({ kind, serviceId, environment }: DomainEvent, filter: EventFilter): boolean {
  return (
    kind.startsWith(filter.prefix) &&
    (filter.serviceId === undefined || filter.serviceId === serviceId) &&
    (filter.environment === undefined || filter.environment === environment)
  );
}

function expired(): GraphQLError {
  return new GraphQLError(
    'the events after this cursor are no longer kept; query how things stand and subscribe without a cursor',
    { extensions: { code: 'EVENTS_EXPIRED', field: 'after' } },
  );
}

function tooSlow(): GraphQLError {
  return new GraphQLError('events came faster than you took them; subscribe again after your last cursor', {
    extensions: { code: 'SUBSCRIBER_TOO_SLOW' },
  });
}
