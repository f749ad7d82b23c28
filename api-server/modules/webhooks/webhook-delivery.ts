/** Delivers webhook messages from the outbox. */

import {
  HopelessJobError,
  type JobContext,
  type JobDefinition,
  type JobOptions,
  type Retries,
} from '../../jobs/job.js';
import type { WebhookMessage, WebhookSender } from './sender.js';

/**
 * Messages are written in the transaction of their change, so each change has its messages even if
 * Redis or this process fails.
 */
export interface WebhookOutbox {
  /**
   * Messages to queue, oldest first: new ones, and those that were queued long ago and whose job
   * may be lost. Marks them as queued.
   */
  takePending(limit: number): Promise<PendingMessage[]>;
  /** Null when there is nothing to send: the message is delivered, or its webhook is deleted or disabled. */
  load(id: string): Promise<WebhookMessage | null>;
  delivered(id: string): Promise<void>;
  /** Records a failed attempt; `final` when it is not retried. */
  failed(id: string, reason: string, final: boolean): Promise<void>;
}

export interface PendingMessage {
  id: string;
  /** Whether it was queued before. */
  again: boolean;
  /** W3C headers of the trace of its event. */
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

/** Two kinds of jobs: one moves messages from the outbox to the queue, the other delivers one message. */
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

/**
 * A crash between the response and its recording sends the message again. Receivers detect
 * duplicates by its ID.
 */
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
    // If it cannot be recorded, the message stays pending, and the relay queues it again later.
    await outbox
      .failed(id, (error as Error).message, final)
      .catch((err: unknown) => log.warn({ err }, 'recording a failed webhook message failed'));
    throw error;
  }
  await outbox.delivered(id);
}
