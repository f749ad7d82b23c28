/** Outbox of webhook messages, which the worker reads. */

import { type FindOptionsWhere, Not, type QueryDeepPartialEntity } from 'typeorm';
import type { DataSource } from '../../database/pool/data-source.js';
import type { WebhookMessage } from './sender.js';
import { type StoredEvent, webhookBody } from './webhook-body.js';
import type { PendingMessage, WebhookOutbox } from './webhook-delivery.js';
import { WebhookMessage as Message } from './webhook-message.entity.js';

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
    return this.dataSource.runSql(
      { mode: 'write', tables: ['webhook_messages', 'domain_events'] },
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
    const [row]: Loaded[] = await this.dataSource.runSql(
      { mode: 'read', tables: ['webhook_messages', 'webhooks', 'domain_events'] },
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
    const disabled = { status: 'FAILED', lastError: 'the webhook is disabled' } as const;
    await this.#update({ uuid: id, status: 'PENDING' }, disabled);
  }

  async delivered(id: string): Promise<void> {
    const attempts = () => 'attempts + 1';
    const deliveredAt = () => 'now()';
    await this.#update({ uuid: id }, { status: 'DELIVERED', deliveredAt, attempts, lastError: null });
  }

  /** Also accepts a message that is FAILED: its job can be retried by hand. */
  async failed(id: string, reason: string, final: boolean): Promise<void> {
    const attempts = () => 'attempts + 1';
    const status = final ? 'FAILED' : 'PENDING';
    const lastError = reason.slice(0, MAX_REASON);
    await this.#update({ uuid: id, status: Not('DELIVERED') }, { attempts, lastError, status });
  }

  async #update(where: FindOptionsWhere<Message>, values: QueryDeepPartialEntity<Message>): Promise<void> {
    await this.dataSource.withManager({ mode: 'write', tables: ['webhook_messages'] }, (manager) =>
      manager.update(Message, where, values),
    );
  }
}
