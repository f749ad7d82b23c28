/** Outbox of webhook messages, which the worker reads. */
import type { DataSource } from 'typeorm';
import type { WebhookMessage } from './sender.js';
import { type StoredEvent, webhookBody } from './webhook-body.js';
import type { PendingMessage, WebhookOutbox } from './webhook-delivery.js';

/**
 * A message that is pending for this time after it was queued is queued again: Redis may have lost
 * its job, or the job failed while the database was unavailable. A job that waits for a retry is not
 * duplicated. The time is longer than the retention of completed jobs.
 */
const LOST_AFTER = '2 hours';
const MAX_REASON = 500;

interface Loaded extends StoredEvent {
  url: string;
  secret: string;
  previous_secret: string | null;
  enabled: boolean;
}

export class WebhookOutboxTable implements WebhookOutbox {
  constructor(private readonly dataSource: DataSource) {}

  async takePending(limit: number): Promise<PendingMessage[]> {
    return this.dataSource.query(
      `WITH pending AS (
         SELECT id, queued_at IS NOT NULL AS again FROM webhook_messages
         WHERE status = 'PENDING' AND (queued_at IS NULL OR queued_at < now() - interval '${LOST_AFTER}')
         ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED
       ), taken AS (
         UPDATE webhook_messages m SET queued_at = now() FROM pending WHERE m.id = pending.id
         RETURNING m.id, m.event_id, m.created_at, pending.again
       ) SELECT taken.id, taken.again, coalesce(event.trace, '{}') AS trace
       FROM taken JOIN domain_events event ON event.id = taken.event_id ORDER BY taken.created_at`,
      [limit],
    );
  }

  async load(id: string): Promise<WebhookMessage | null> {
    const [row]: Loaded[] = await this.dataSource.query(
      `SELECT event.kind, event.occurred_at, event.payload, webhook.url, webhook.secret, webhook.enabled,
         CASE WHEN webhook.previous_secret_expires > now() THEN webhook.previous_secret END AS previous_secret
       FROM webhook_messages message
       JOIN webhooks webhook ON webhook.id = message.webhook_id
       JOIN domain_events event ON event.id = message.event_id
       WHERE message.id = $1 AND message.status <> 'DELIVERED'`,
      [id],
    );
    if (!row) return null;
    if (!row.enabled) {
      await this.#failDisabled(id);
      return null;
    }
    const secrets = [row.secret, ...(row.previous_secret ? [row.previous_secret] : [])];
    return { id, url: row.url, secrets, body: webhookBody(row) };
  }

  /** Disabling a webhook is not a delivery failure, so the job completes without an error. */
  async #failDisabled(id: string): Promise<void> {
    await this.dataSource.query(
      `UPDATE webhook_messages SET status = 'FAILED', last_error = 'the webhook is disabled'
       WHERE id = $1 AND status = 'PENDING'`,
      [id],
    );
  }

  async delivered(id: string): Promise<void> {
    await this.dataSource.query(
      `UPDATE webhook_messages
       SET status = 'DELIVERED', delivered_at = now(), attempts = attempts + 1, last_error = NULL WHERE id = $1`,
      [id],
    );
  }

  /** Also accepts a message that is FAILED: its job can be retried by hand. */
  async failed(id: string, reason: string, final: boolean): Promise<void> {
    await this.dataSource.query(
      `UPDATE webhook_messages
       SET attempts = attempts + 1, last_error = $2, status = CASE WHEN $3 THEN 'FAILED' ELSE 'PENDING' END
       WHERE id = $1 AND status <> 'DELIVERED'`,
      [id, reason.slice(0, MAX_REASON), final],
    );
  }
}
