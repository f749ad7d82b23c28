/** Writes a change, the event that tells of it and the messages to webhooks in one statement: all of them, or none. */
import type { DataSource } from 'typeorm';
import type { Bindings } from '../../platform/database/conditions.js';
import type { EntityTable } from '../../platform/database/entity-table.js';
import type { DomainEventKind } from './event-kind.js';

/** Called after something has happened; must not throw and not take time. */
export type Announcer = () => void;

export interface Change {
  kind: DomainEventKind;
  /** Parts of the WITH before the change. */
  before?: string;
  /** INSERT or UPDATE of rows with id, service_id and environment; without RETURNING. */
  sql: string;
  bindings: Bindings;
}

/** Columns that are the caller's business alone. */
const PRIVATE = ['idempotency_key', 'request_digest', 'finish_idempotency_key', 'finish_digest'];

/** Returns the rows that were changed; when there are none, nothing is announced. */
export async function changeAndAnnounce<T extends object>(
  dataSource: DataSource,
  table: EntityTable<T>,
  { kind, before, sql, bindings }: Change,
  announce: Announcer,
): Promise<T[]> {
  const rows: object[] = await dataSource.query(
    `WITH ${before ? `${before}, ` : ''}changed AS (${sql} RETURNING *),
    event AS (
      INSERT INTO domain_events (kind, subject_id, service_id, environment, payload)
      SELECT ${bindings.bind(kind)}, id, service_id, environment, to_jsonb(changed) - CAST(${bindings.bind(PRIVATE)} AS text[])
      FROM changed
      RETURNING id, kind, service_id, environment
    ),
    message AS (
      INSERT INTO webhook_messages (webhook_id, event_id)
      SELECT webhooks.id, event.id FROM event JOIN webhooks
        ON webhooks.enabled AND event.kind = ANY (webhooks.events)
        AND (webhooks.service_id IS NULL OR webhooks.service_id = event.service_id)
        AND (webhooks.environment IS NULL OR webhooks.environment = event.environment)
    )
    SELECT ${table.selectList(table.properties, 'changed')} FROM changed`,
    bindings.values,
  );
  if (rows.length > 0) announce();
  return rows.map((row) => table.hydrate(row));
}
