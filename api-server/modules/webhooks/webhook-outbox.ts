/** The messages to webhooks, as the worker takes them. */
import type { DataSource } from 'typeorm';
import type { WebhookOutbox } from '../../platform/jobs/webhook-delivery.js';
import type { WebhookMessage } from '../../platform/webhooks/sender.js';
import { type StoredEvent, webhookBody } from './webhook-body.js';

/** A job that was queued so long ago must have been lost with Redis. Longer than all tries together take. */
const LOST_AFTER = '2 hours';
const MAX_REASON = 500;

interface Loaded extends StoredEvent {
  url: string;
  secret: string;
  previous_secret: string | null;
}

export class WebhookOutboxTable implements WebhookOutbox {
  constructor(private readonly dataSource: DataSource) {}

  async takePending(limit: number): Promise<string[]> {
    const rows: { id: string }[] = await this.dataSource.query(
      `WITH pending AS (
         SELECT id FROM webhook_messages
         WHERE status = 'PENDING' AND (queued_at IS NULL OR queued_at < now() - interval '${LOST_AFTER}')
         ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED
       ), taken AS (
         UPDATE webhook_messages m SET queued_at = now() FROM pending WHERE m.id = pending.id
         RETURNING m.id, m.created_at
       ) SELECT id FROM taken ORDER BY created_at`,
      [limit],
    );
    return rows.map(({ id }) => id);
  }

  async load(id: string): Promise<WebhookMessage | null> {
    const [row]: Loaded[] = await this.dataSource.query(
      `SELECT event.kind, event.occurred_at, event.payload, webhook.url, webhook.secret,
         CASE WHEN webhook.previous_secret_expires > now() THEN webhook.previous_secret END AS previous_secret
       FROM webhook_messages message
       JOIN webhooks webhook ON webhook.id = message.webhook_id AND webhook.enabled
       JOIN domain_events event ON event.id = message.event_id
       WHERE message.id = $1 AND message.status <> 'DELIVERED'`,
      [id],
    );
    if (!row) return null;
    const secrets = [row.secret, ...(row.previous_secret ? [row.previous_secret] : [])];
    return { id, url: row.url, secrets, body: webhookBody(row) };
  }

  async delivered(id: string): Promise<void> {
    await this.dataSource.query(
      `UPDATE webhook_messages
       SET status = 'DELIVERED', delivered_at = now(), attempts = attempts + 1, last_error = NULL WHERE id = $1`,
      [id],
    );
  }

  /** A message that was given up and is put back by hand is tried again as it is. */
  async failed(id: string, reason: string, final: boolean): Promise<void> {
    await this.dataSource.query(
      `UPDATE webhook_messages
       SET attempts = attempts + 1, last_error = $2, status = CASE WHEN $3 THEN 'FAILED' ELSE 'PENDING' END
       WHERE id = $1 AND status <> 'DELIVERED'`,
      [id, reason.slice(0, MAX_REASON), final],
    );
  }
}
