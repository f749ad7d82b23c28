/** Deletes events past their retention, oldest first, so that the log has no gaps. */
import type { DataSource } from '../../database/pool/data-source.js';
import { queryWithLock } from '../../jobs/housekeeping.js';
import type { JobDefinition } from '../../jobs/job.js';
import { EventLog } from './event-log.js';

const NAME = 'event-retention';
const BATCH = 1_000;

export function eventRetentionJob(dataSource: DataSource, keepMs: number, everyMs: number): JobDefinition {
  const log = new EventLog(dataSource);
  return {
    name: NAME,
    every: { ms: everyMs, data: {} },
    async handle(_data, { signal }) {
      if (keepMs === 0) return;
      const before = new Date(Date.now() - keepMs);
      // Only events with a position are deleted. Without subscribers, no other code assigns positions.
      await log.assignPositions();
      let deleted = BATCH;
      while (deleted === BATCH) {
        signal.throwIfAborted();
        const rows = await queryWithLock(
          dataSource,
          NAME,
          { mode: 'write', tables: ['domain_events'] },
          `WITH candidates AS (
             SELECT id, bool_and(occurred_at < $1) OVER (ORDER BY position) AS is_expired
             FROM (SELECT * FROM domain_events WHERE position IS NOT NULL ORDER BY position LIMIT ${BATCH}) AS oldest
           ), deleted AS (DELETE FROM domain_events e USING candidates c WHERE e.id = c.id AND c.is_expired RETURNING 1)
           SELECT 1 FROM deleted`,
          [before],
        );
        deleted = rows?.length ?? 0;
      }
    },
  };
}
