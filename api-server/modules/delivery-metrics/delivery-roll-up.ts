/**
 * Rolls deployments that were kept long enough up into days, and deletes them. A deployment
 * is counted and deleted in one statement, so it is always in one of the two places: the
 * metrics may read both at any time, a job that is done twice finds nothing to do, and one
 * that is told late, of a day that was rolled up long ago, is added to it.
 */
import type { DataSource } from 'typeorm';
import type { JobDefinition } from '../../platform/jobs/job.js';
import { BAD_CHANGE, LEAD_TIME } from './ended-deployment.js';

/** Small enough that nobody waits for its locks. */
const BATCH = 1_000;
const DAY_MS = 86_400_000;

// The incidents are those from before the statement: they still name the deployments that go.
const ROLL_UP = `WITH gone AS (
    DELETE FROM deployments WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM deployments WHERE finished_at < $1 LIMIT ${BATCH} FOR UPDATE SKIP LOCKED))
    RETURNING *
  ), counted AS (
    SELECT d.service_id, d.environment, (d.finished_at AT TIME ZONE 'UTC')::date AS day, d.status,
      ${LEAD_TIME} AS lead_time, ${BAD_CHANGE} AS bad_change
    FROM gone d
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
    ORDER BY service_id, environment, day -- so that two of these wait for each other rather than lock up
    ON CONFLICT (service_id, environment, day) DO UPDATE SET
      deployments = days.deployments + excluded.deployments,
      succeeded = days.succeeded + excluded.succeeded,
      failed = days.failed + excluded.failed,
      rolled_back = days.rolled_back + excluded.rolled_back,
      bad_changes = days.bad_changes + excluded.bad_changes,
      lead_times = days.lead_times || excluded.lead_times,
      rolled_up_at = now()
  ) SELECT count(*)::int AS count FROM gone`;

/** @param keepMs 0 keeps every deployment as it is */
export function deliveryRollUpJob(dataSource: DataSource, keepMs: number, everyMs: number): JobDefinition {
  return {
    name: 'delivery-roll-up',
    every: { ms: everyMs, data: {} },
    async handle(_data, { signal, log }) {
      if (keepMs === 0) return;
      // Whole days of UTC: what is asked of a day is then found in one place.
      const before = new Date(Math.floor((Date.now() - keepMs) / DAY_MS) * DAY_MS);
      let rolledUp = 0;
      for (let count = BATCH; count === BATCH; rolledUp += count) {
        signal.throwIfAborted(); // the next run continues where this one ended
        const [row] = await dataSource.query<{ count: number }[]>(ROLL_UP, [before]);
        count = row?.count ?? 0;
      }
      if (rolledUp > 0) log.info({ rolledUp, before }, 'deployments are rolled up into days and deleted');
    },
  };
}
