/** What a receiver gets: the thing as it was when it happened, with the ids of the API. */
import { toGlobalId } from '../../platform/graphql/relay/global-id.js';
import type { DomainEventKind } from '../events/event-kind.js';

export interface StoredEvent {
  kind: DomainEventKind;
  occurred_at: Date;
  /** The row, by the names of its columns. */
  payload: Record<string, unknown>;
}

/** Columns with ids, and the types of what they name. */
const REFERENCES: Record<string, string> = {
  service_id: 'Service',
  release_id: 'Release',
  deployment_id: 'Deployment',
};

/** The same text each time. */
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

/** PostgreSQL writes times with its own offset; everywhere else in the API they are in UTC. */
function isoTime(column: string, value: unknown): unknown {
  return column.endsWith('_at') && typeof value === 'string' ? new Date(value).toISOString() : value;
}

function camelCase(column: string): string {
  return column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
