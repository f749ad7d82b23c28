/** SQL expressions over a finished deployment `d`, shared by the metrics and the roll-up so that both count it the same way. */

/** Lead time in seconds: commit to finish. Null when the deployment did not succeed or has no commit time. */
export const LEAD_TIME = `CASE WHEN d.status = 'SUCCEEDED' AND d.committed_at IS NOT NULL -- greatest() ignores NULL
  THEN greatest(0, extract(epoch FROM d.finished_at - d.committed_at))::float8 END`;

/**
 * The deployment failed, or has an incident. An undo counts through the incident of the deployment that it reverts,
 * and not once more.
 */
export const FAILED_CHANGE = `(d.id IN (SELECT deployment_id FROM incidents WHERE deployment_id IS NOT NULL)
  OR d.status <> 'SUCCEEDED' AND NOT EXISTS (SELECT FROM incidents
    WHERE service_id = d.service_id AND idempotency_key = 'deployment/' || d.id AND deployment_id <> d.id))`;
