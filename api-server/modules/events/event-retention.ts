/** Forgets events that were kept long enough, the oldest first, so that the log has no holes. */
import type { DataSource } from 'typeorm';
import type { JobDefinition } from '../../platform/jobs/job.js';
import { EventLog } from './event-log.js';

const BATCH = 1_000;

export function eventRetentionJob(dataSource: DataSource, keepMs: number, everyMs: number): JobDefinition {
  const log = new EventLog(dataSource);
  return {
    name: 'event-retention',
    every: { ms: everyMs, data: {} },
    async handle(_data, { signal }) {
      if (keepMs === 0) return;
      const before = new Date(Date.now() - keepMs);
      await log.sequence(); // one without a position could be missed by nobody knowing
      let deleted = BATCH;
      while (deleted === BATCH) {
        signal.throwIfAborted();
        const rows: object[] = await dataSource.query(
          `WITH old AS (
             SELECT id, bool_and(occurred_at < $1) OVER (ORDER BY position) AS is_old
             FROM (SELECT * FROM domain_events WHERE position IS NOT NULL ORDER BY position LIMIT ${BATCH}) AS oldest
           ), gone AS (DELETE FROM domain_events e USING old WHERE e.id = old.id AND old.is_old RETURNING 1)
           SELECT 1 FROM gone`,
          [before],
        );
        deleted = rows.length;
      }
    },
  };
}
