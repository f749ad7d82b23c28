import { storable } from '../../auth/redact-input.js';
import type { Access } from '../../database/access.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { databaseSession } from '../../database/pool/session.js';
import type { AuditEntry, AuditRecorder, AuditStatement } from '../../graphql/audit.js';
import type { Logger } from '../../observability/logging/logger.js';

const ACCESS: Access = { mode: 'write', tables: ['audit_events'] };
const INSERT = `INSERT INTO audit_events
    (occurred_at, actor, actor_name, role, action, input, subject, outcome, error_code, request_id)
  SELECT e."at", e."actor", e."actorName", e."role", e."action", e."input", e."subject", e."outcome",
    e."errorCode", e."requestId"
  FROM jsonb_to_recordset(CAST($1 AS jsonb)) AS e("at" timestamptz, "actor" text, "actorName" text,
    "role" text, "action" text, "input" jsonb, "subject" text, "outcome" text, "errorCode" text, "requestId" text)`;

/** Encodes the global ID of the subject in SQL, in the format of `toGlobalId`: base64 of the type and the primary key. */
export const auditStatement: AuditStatement = (entry, rows, type, { bind }) => {
  const { actor, actorName, role, action, input, outcome, errorCode, requestId } = entry;
  const texts = [actor, actorName, role, action].map((text) => {
    return `CAST(${bind(text === null ? null : storable(text))} AS text)`;
  });
  const json = JSON.stringify(input, storableTexts);
  const cte = `audit AS (
    INSERT INTO audit_events
      (occurred_at, actor, actor_name, role, action, input, outcome, error_code, request_id, subject)
    SELECT now(), ${texts.join(', ')}, CAST(${bind(json)} AS jsonb), ${bind(outcome)}, ${bind(errorCode)},
      ${bind(requestId)}, rtrim(encode(convert_to('${type}:' || id, 'UTF8'), 'base64'), '=')
    FROM (SELECT id FROM ${rows} LIMIT 1) AS subject
  )`;
  return { cte, tables: ACCESS.tables };
};

function storableTexts(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? storable(value) : value;
}

/**
 * Writes audit events that are not part of the statement of a mutation. Events are batched: those
 * that arrive while a statement runs share the next one.
 */
export class AuditLog {
  #pending: (AuditEntry & { at: Date })[] = [];
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(
    private readonly dataSource: DataSource,
    private readonly log: Logger,
  ) {}

  readonly record: AuditRecorder = (entry) => {
    this.#pending.push({ at: new Date(), ...entry });
    this.#next ??= this.#running.then(() => this.#write());
    return this.#next;
  };

  async #write(): Promise<void> {
    const entries = this.#pending.splice(0);
    this.#running = this.#next!;
    this.#next = undefined;
    try {
      const json = JSON.stringify(entries, storableTexts);
      // A batch belongs to several requests, so it must not use the session of one of them.
      await databaseSession.exit(() => this.dataSource.runSql(ACCESS, INSERT, [json]));
    } catch (error) {
      // Entries contain no secrets, so they are logged when the database cannot store them.
      this.log.error({ err: error, audit: entries }, 'audit events were not stored');
    }
  }
}
