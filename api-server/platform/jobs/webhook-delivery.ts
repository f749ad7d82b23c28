/** Takes webhook messages from where they were written down to where they must go. */
import type { WebhookMessage, WebhookSender } from '../webhooks/sender.js';
import {
  HopelessJobError,
  type JobContext,
  type JobDefinition,
  type JobOptions,
  type Retries,
} from './job.js';

/**
 * The messages, written in the same transaction as the change they tell of: so there
 * is one for each change, whatever becomes of Redis or of us.
 */
export interface WebhookOutbox {
  /**
   * Messages that are to be queued: new ones, and those that were queued long ago, whose
   * job may have been lost. The oldest first. Marks them as queued.
   */
  takePending(limit: number): Promise<PendingMessage[]>;
  /** Null when there is nothing to send any more: delivered, or its webhook was removed or turned off. */
  load(id: string): Promise<WebhookMessage | null>;
  delivered(id: string): Promise<void>;
  /** Not taken; `final` when it is not tried again by itself. */
  failed(id: string, reason: string, final: boolean): Promise<void>;
}

export interface PendingMessage {
  id: string;
  /** Whether it was queued before. */
  again: boolean;
  /** W3C headers of the trace of what it tells of. */
  trace: Record<string, string>;
}

export interface WebhookJobParts {
  outbox: WebhookOutbox;
  retries: Retries;
  sender: Pick<WebhookSender, 'send'>;
  enqueue(name: string, data: object, options: JobOptions): Promise<void>;
}

const RELAY = 'webhook-relay';
const DELIVER = 'webhook-delivery';
const RELAY_MS = 1_000;
const BATCH = 500;

/** Two kinds of job: one moves messages from the outbox to the queue, the other delivers one. */
export function webhookJobs({
  outbox,
  sender,
  retries,
  enqueue,
}: WebhookJobParts): [JobDefinition, JobDefinition<{ id: string }>] {
  const relay: JobDefinition = {
    name: RELAY,
    every: { ms: RELAY_MS, data: {} },
    async handle(_data, { signal }) {
      for (;;) {
        signal.throwIfAborted();
        const messages = await outbox.takePending(BATCH);
        for (const { id, again, trace } of messages) await enqueue(DELIVER, { id }, { id, again, trace });
        if (messages.length < BATCH) return;
      }
    },
  };
  const deliver: JobDefinition<{ id: string }> = {
    name: DELIVER,
    retries,
    handle: ({ id }, context) => deliverOnce({ outbox, sender }, id, context),
  };
  return [relay, deliver];
}

/** A crash between the answer and its note sends it again: receivers know it by its id. */
async function deliverOnce(
  { outbox, sender }: Pick<WebhookJobParts, 'outbox' | 'sender'>,
  id: string,
  { signal, isLast, log }: JobContext,
): Promise<void> {
  try {
    const message = await outbox.load(id);
    if (!message) return;
    await sender.send(message, signal);
  } catch (error) {
    const final = isLast || error instanceof HopelessJobError;
    // If it can't be noted, the message continues to be pending, and the relay queues it again some time.
    await outbox
      .failed(id, (error as Error).message, final)
      .catch((err: unknown) => log.warn({ err }, 'recording a failed webhook message failed'));
    throw error;
  }
  await outbox.delivered(id);
}
