/** Events in the order in which all see them. */
import type { DataSource } from 'typeorm';
import type { DomainEventKind } from './event-kind.js';

export interface DomainEvent {
  /** Grows by one with each event; what is at a position never changes. */
  position: number;
  kind: DomainEventKind;
  subjectId: string;
  serviceId: string;
  environment: string;
  occurredAt: Date;
}

/** How far the log goes, and from where it is kept. */
export interface LogRange {
  /** The position of the newest event; 0 before the first. */
  newest: number;
  /** The newest position that was deleted; 0 when all are kept. */
  deleted: number;
}

const SEQUENCE_BATCH = 1_000;

export class EventLog {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Gives each event that has none its position. The one row of event_stream is the
   * lock: positions become visible in their order, and a run that fails leaves no gap.
   */
  async sequence(): Promise<void> {
    while ((await this.#hasPending()) && (await this.#sequenceBatch()) === SEQUENCE_BATCH);
  }

  /** After sequencing what there is. */
  async range(): Promise<LogRange> {
    await this.sequence();
    const [row]: { newest: string; kept: string | null }[] = await this.dataSource.query(
      'SELECT position AS newest, (SELECT min(position) FROM domain_events) AS kept FROM event_stream',
    );
    const newest = Number(row?.newest ?? 0);
    return { newest, deleted: row?.kept == null ? newest : Number(row.kept) - 1 };
  }

  /** Events after a position, in order. Those that are not sequenced yet are not among them. */
  async read(after: number, limit: number): Promise<DomainEvent[]> {
    const rows: (Omit<DomainEvent, 'position'> & { position: string })[] = await this.dataSource.query(
      `SELECT position, kind, subject_id AS "subjectId", service_id AS "serviceId", environment,
         occurred_at AS "occurredAt"
       FROM domain_events WHERE position > $1 ORDER BY position LIMIT $2`,
      [after, limit],
    );
    return rows.map((row) => ({ ...row, position: Number(row.position) }));
  }

  async #hasPending(): Promise<boolean> {
    const rows: object[] = await this.dataSource.query(
      'SELECT FROM domain_events WHERE position IS NULL LIMIT 1',
    );
    return rows.length > 0;
  }

  #sequenceBatch(): Promise<number> {
    return this.dataSource.transaction(async (manager) => {
      await manager.query('SELECT position FROM event_stream FOR UPDATE');
      // A statement of its own: it must see what the one before us has sequenced.
      const rows: { count: number }[] = await manager.query(
        `WITH pending AS (
           SELECT id, row_number() OVER (ORDER BY id) AS place FROM (
             SELECT id FROM domain_events WHERE position IS NULL ORDER BY id LIMIT ${SEQUENCE_BATCH}) AS next
         ), placed AS (
           UPDATE domain_events e SET position = stream.position + pending.place
           FROM pending, event_stream stream WHERE e.id = pending.id RETURNING 1
         ), counted AS (SELECT count(*)::int AS count FROM placed), moved AS (
           UPDATE event_stream SET position = position + counted.count FROM counted RETURNING 1
         ) SELECT count FROM counted`,
      );
      return rows[0]?.count ?? 0;
    });
  }
}
