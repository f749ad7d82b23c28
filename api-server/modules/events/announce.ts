/** Writes a change, its domain event and its webhook messages in one statement, so that all of them commit or none. */

import { isTracing, traceHeaders } from '../../../contract/tracing/tracing.js';
import type { Bindings } from '../../database/conditions.js';
import type { EntityTable } from '../../database/entity-table.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { changeRows } from '../../database/rows.js';
import type { DomainEventKind } from './event-kind.js';

/** Called after a change is committed. It must not throw or block. */
export type Announcer = () => void;

export interface Change {
  kind: DomainEventKind;
  /** Further tables that the statement reads or writes. */
  tables?: readonly string[];
  /** CTEs before the change. */
  before?: readonly string[];
  /** INSERT or UPDATE without RETURNING, of a table with the columns id, service_id and environment. */
  sql: string;
  bindings: Bindings;
  /** CTEs after the change, which can read `changed`. */
  after?: readonly string[];
  /** Further events, of rows of the CTE `changed` or of one in `after`. */
  furtherEvents?: readonly { kind: DomainEventKind; rows: string }[];
}

/** Columns that are not part of the event payload. */
const PRIVATE_COLUMNS = ['idempotency_key', 'request_digest', 'finish_idempotency_key', 'finish_digest'];

function currentTraceHeaders(): Record<string, string> | null {
  return isTracing() ? traceHeaders() : null;
}

/** Returns the changed rows. Without changed rows it does not call `announce`. */
export async function changeAndAnnounce<T extends object>(
  dataSource: DataSource,
  table: EntityTable<T>,
  { kind, tables = [], before, sql, bindings, after = [], furtherEvents = [] }: Change,
  announce: Announcer,
): Promise<T[]> {
  const { bind } = bindings;
  const privateColumns = bind(PRIVATE_COLUMNS);
  const trace = bind(currentTraceHeaders());
  const events = [{ kind, rows: 'changed' }, ...furtherEvents].map(
    ({ kind, rows }) => `SELECT ${bind(kind)}, id, service_id, environment,
        to_jsonb(${rows}) - CAST(${privateColumns} AS text[]), CAST(${trace} AS jsonb)
      FROM ${rows}`,
  );
  const event = `event AS (
      INSERT INTO domain_events (kind, subject_id, service_id, environment, payload, trace)
      ${events.join(' UNION ALL ')}
      RETURNING id, kind, service_id, environment
    )`;
  const message = `message AS (
      INSERT INTO webhook_messages (webhook_id, event_id)
      SELECT webhooks.id, event.id FROM event JOIN webhooks
        ON webhooks.enabled AND event.kind = ANY (webhooks.events)
        AND (webhooks.service_id IS NULL OR webhooks.service_id = event.service_id)
        AND (webhooks.environment IS NULL OR webhooks.environment = event.environment)
    )`;
  const all = [...tables, 'domain_events', 'webhooks', 'webhook_messages'];
  const change = { tables: all, before, sql, after: [...after, event, message], bindings };
  const rows = await changeRows(dataSource, table, change);
  if (rows.length > 0) announce();
  return rows;
}
