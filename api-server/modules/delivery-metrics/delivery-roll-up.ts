/**
 * Rolls up deployments past their retention into days, and deletes them. One statement counts and
 * deletes a deployment, so it is always in exactly one of the two tables: metrics read both at any
 * time, a repeated job has nothing to do, and a deployment that is recorded late is added to the day
 * that was rolled up before.
 */
import type { Access } from '../../database/access.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { queryWithLock } from '../../jobs/housekeeping.js';
import type { JobDefinition } from '../../jobs/job.js';
import { FAILED_CHANGE, LEAD_TIME } from './ended-deployment.js';

const NAME = 'delivery-roll-up';
/** Limits the time for which the statement holds its row locks. */
const BATCH = 1_000;
const DAY_MS = 86_400_000;

const ACCESS: Access = { mode: 'write', tables: ['deployments', 'delivery_days', 'incidents'] };

// The statement reads incidents from its snapshot, in which they still reference the deleted deployments.
const ROLL_UP = `WITH deleted AS (
    DELETE FROM deployments WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM deployments WHERE finished_at < $1 LIMIT ${BATCH} FOR UPDATE SKIP LOCKED))
    RETURNING *
  ), counted AS (
    SELECT d.service_id, d.environment, (d.finished_at AT TIME ZONE 'UTC')::date AS day, d.status,
      ${LEAD_TIME} AS lead_time, ${FAILED_CHANGE} AS bad_change
    FROM deleted d
  ), rolled_up AS (
    INSERT INTO delivery_days AS days
      (service_id, environment, day, deployments, succeeded, failed, rolled_back, bad_changes, lead_times)
    SELECT service_id, environment, day, count(*),
      count(*) FILTER (WHERE status = 'SUCCEEDED'),
      count(*) FILTER (WHERE status = 'FAILED'),
      count(*) FILTER (WHERE status = 'ROLLED_BACK'),
      count(*) FILTER (WHERE bad_change),
      coalesce(array_agg(lead_time) FILTER (WHERE lead_time IS NOT NULL), '{}')
    FROM counted GROUP BY service_id, environment, day
    ORDER BY service_id, environment, day -- a fixed lock order prevents deadlocks of concurrent roll-ups
    ON CONFLICT (service_id, environment, day) DO UPDATE SET
      deployments = days.deployments + excluded.deployments,
      succeeded = days.succeeded + excluded.succeeded,
      failed = days.failed + excluded.failed,
      rolled_back = days.rolled_back + excluded.rolled_back,
      bad_changes = days.bad_changes + excluded.bad_changes,
      lead_times = days.lead_times || excluded.lead_times,
      rolled_up_at = now()
  ) SELECT count(*)::int AS count FROM deleted`;

/** @param keepMs retention in milliseconds; 0 disables the roll-up */
export function deliveryRollUpJob(dataSource: DataSource, keepMs: number, everyMs: number): JobDefinition {
  return {
    name: NAME,
    every: { ms: everyMs, data: {} },
    async handle(_data, { signal, log }) {
      if (keepMs === 0) return;
      // Whole days in UTC: all deployments of a day are then rolled up together.
      const before = new Date(Math.floor((Date.now() - keepMs) / DAY_MS) * DAY_MS);
      let rolledUp = 0;
      for (let count = BATCH; count === BATCH; rolledUp += count) {
        signal.throwIfAborted(); // the next run continues where this one ended
        const rows = await queryWithLock<{ count: number }>(dataSource, NAME, ACCESS, ROLL_UP, [before]);
        count = rows?.[0]?.count ?? 0;
      }
      if (rolledUp > 0) log.info({ rolledUp, before }, 'rolled up deployments');
    },
  };
}
