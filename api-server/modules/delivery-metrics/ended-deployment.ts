/** How a deployment that has ended counts; in one place, so that it counts the same before and after it is rolled up. */

/** Seconds from the commit to the end; null when it did not succeed, or nobody knows the commit's time. */
export const LEAD_TIME = `CASE WHEN d.status = 'SUCCEEDED' AND d.committed_at IS NOT NULL -- greatest() passes over NULL
  THEN greatest(0, extract(epoch FROM d.finished_at - d.committed_at))::float8 END`;

export const BAD_CHANGE = `(d.status <> 'SUCCEEDED' OR d.id IN (
  SELECT deployment_id FROM incidents WHERE deployment_id IS NOT NULL))`;
