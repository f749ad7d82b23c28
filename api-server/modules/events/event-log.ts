/** The log of domain events, in an order that is the same for all readers. */
import type { Access } from '../../database/access.js';
import type { DataSource } from '../../database/pool/data-source.js';
import type { DomainEventKind } from './event-kind.js';

export interface DomainEvent {
  /** Consecutive number of the event. The event at a position never changes. */
  position: number;
  kind: DomainEventKind;
  subjectId: string;
  serviceId: string;
  environment: string;
  occurredAt: Date;
}

/** Range of the stored events. */
export interface LogRange {
  /** The position of the newest event; 0 before the first. */
  newest: number;
  /** The newest deleted position; 0 when none was deleted. */
  deleted: number;
}

const BATCH = 1_000;

export class EventLog {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Assigns positions to new events. The single row of event_stream is the lock: positions become
   * visible in order, and a failed transaction leaves no gap.
   */
  async assignPositions(): Promise<void> {
    while ((await this.#hasPending()) && (await this.#assignBatch()) === BATCH);
  }

  async range(): Promise<LogRange> {
    await this.assignPositions();
    const [row]: { newest: string; oldest: string | null }[] = await this.dataSource.runSql(
      { mode: 'read', tables: ['event_stream', 'domain_events'] },
      'SELECT position AS newest, (SELECT min(position) FROM domain_events) AS oldest FROM event_stream',
    );
    const newest = Number(row?.newest ?? 0);
    return { newest, deleted: row?.oldest == null ? newest : Number(row.oldest) - 1 };
  }

  /** Events after a position, in order. Events without a position are omitted. */
  async read(after: number, limit: number): Promise<DomainEvent[]> {
    const rows: (Omit<DomainEvent, 'position'> & { position: string })[] = await this.dataSource.runSql(
      { mode: 'read', tables: ['domain_events'] },
      `SELECT position, kind, subject_id AS "subjectId", service_id AS "serviceId", environment,
         occurred_at AS "occurredAt"
       FROM domain_events WHERE position > $1 ORDER BY position LIMIT $2`,
      [after, limit],
    );
    return rows.map((row) => ({ ...row, position: Number(row.position) }));
  }

  async #hasPending(): Promise<boolean> {
    const rows: object[] = await this.dataSource.runSql(
      { mode: 'read', tables: ['domain_events'] },
      'SELECT FROM domain_events WHERE position IS NULL LIMIT 1',
    );
    return rows.length > 0;
  }

  #assignBatch(): Promise<number> {
    const access: Access = { mode: 'write', tables: ['event_stream', 'domain_events'] };
    return this.dataSource.withManager(access, (connected) =>
      connected.transaction(async (manager) => {
        await manager.query('SELECT position FROM event_stream FOR UPDATE');
        // A second statement, whose snapshot includes the positions that the previous lock holder assigned.
        const rows: { count: number }[] = await manager.query(
          `WITH pending AS (
           SELECT id, row_number() OVER (ORDER BY id) AS place FROM (
             SELECT id FROM domain_events WHERE position IS NULL ORDER BY id LIMIT ${BATCH}) AS oldest
         ), placed AS (
           UPDATE domain_events e SET position = stream.position + pending.place
           FROM pending, event_stream stream WHERE e.id = pending.id RETURNING 1
         ), counted AS (SELECT count(*)::int AS count FROM placed), moved AS (
           UPDATE event_stream SET position = position + counted.count FROM counted RETURNING 1
         ) SELECT count FROM counted`,
        );
        return rows[0]?.count ?? 0;
      }),
    );
  }
}
