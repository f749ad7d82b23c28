/** Body of a webhook message: the object at the time of the event, with global IDs. */
import { toGlobalId } from '../../graphql/relay/global-id.js';
import type { DomainEventKind } from '../events/event-kind.js';

export interface StoredEvent {
  kind: DomainEventKind;
  occurred_at: Date;
  /** The row at the time of the event, by column name. */
  payload: Record<string, unknown>;
}

/** Foreign keys, with the GraphQL types that they reference. */
const REFERENCES: Record<string, string> = {
  service_id: 'Service',
  release_id: 'Release',
  deployment_id: 'Deployment',
};

/** Deterministic: retries send the same body. */
export function webhookBody({ kind, occurred_at: at, payload }: StoredEvent): string {
  const own = kind.startsWith('INCIDENT') ? 'Incident' : 'Deployment';
  const data = Object.entries(payload).map(([column, value]) => {
    const type = column === 'id' ? own : REFERENCES[column];
    return [
      camelCase(column),
      type && value != null ? toGlobalId(type, String(value)) : isoTime(column, value),
    ];
  });
  return JSON.stringify({ type: kind, timestamp: at.toISOString(), data: Object.fromEntries(data) });
}

/** `to_jsonb` writes timestamps in the time zone of the session; the API returns UTC. */
function isoTime(column: string, value: unknown): unknown {
  return column.endsWith('_at') && typeof value === 'string' ? new Date(value).toISOString() : value;
}

function camelCase(column: string): string {
  return column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
