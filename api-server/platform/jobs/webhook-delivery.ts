/** Takes webhook messages from where they were written down to where they must go. */
import type { WebhookMessage, WebhookSender } from '../webhooks/sender.js';
import { HopelessJobError, type JobContext, type JobDefinition } from './job.js';

/**
 * The messages, written in the same transaction as the change they tell of: so there
 * is one for each change, whatever becomes of Redis or of us.
 */
export interface WebhookOutbox {
  /**
   * Ids of messages that are to be queued: new ones, and those that were queued so
   * long ago that their job must have been lost. The oldest first. Marks them as queued.
   */
  takePending(limit: number): Promise<string[]>;
  /** Null when there is nothing to send any more: delivered, or its webhook was removed. */
  load(id: string): Promise<WebhookMessage | null>;
  delivered(id: string): Promise<void>;
  /** Not taken; `final` when it is not tried again by itself. */
  failed(id: string, reason: string, final: boolean): Promise<void>;
}

export interface WebhookJobParts {
  outbox: WebhookOutbox;
  sender: Pick<WebhookSender, 'send'>;
  enqueue(name: string, data: object, id: string): Promise<void>;
}

const RELAY = 'webhook-relay';
const DELIVER = 'webhook-delivery';
const RELAY_MS = 1_000;
const BATCH = 500;

/** Two kinds of job: one moves messages from the outbox to the queue, the other delivers one. */
export function webhookJobs({
  outbox,
  sender,
  enqueue,
}: WebhookJobParts): [JobDefinition, JobDefinition<{ id: string }>] {
  const relay: JobDefinition = {
    name: RELAY,
    every: { ms: RELAY_MS, data: {} },
    async handle(_data, { signal }) {
      for (;;) {
        signal.throwIfAborted();
        const ids = await outbox.takePending(BATCH);
        for (const id of ids) await enqueue(DELIVER, { id }, id);
        if (ids.length < BATCH) return;
      }
    },
  };
  const deliver: JobDefinition<{ id: string }> = {
    name: DELIVER,
    handle: ({ id }, context) => deliverOnce({ outbox, sender }, id, context),
  };
  return [relay, deliver];
}

/** A crash between the answer and its note sends it again: receivers know it by its id. */
async function deliverOnce(
  { outbox, sender }: Pick<WebhookJobParts, 'outbox' | 'sender'>,
  id: string,
  { signal, isLast }: JobContext,
): Promise<void> {
  const message = await outbox.load(id);
  if (!message) return;
  try {
    await sender.send(message, signal);
  } catch (error) {
    const final = isLast || error instanceof HopelessJobError;
    await outbox.failed(id, (error as Error).message, final);
    throw error;
  }
  await outbox.delivered(id);
}
