/** The incident of a deployment that failed after it had received traffic. It is part of the statement that finishes the deployment. */
import type { Bindings } from '../../database/conditions.js';
import type { Change } from '../events/announce.js';
import { IncidentSeverity } from './incident.entity.js';

export interface DeploymentFailure {
  /** Time of the first traffic of the failed version. */
  since: Date;
  /** Idempotency key of the deployment that the finished deployment undoes. */
  undoneKey: string | null | undefined;
}

/**
 * Opens and resolves the incident, because the traffic is back on the former version when the deployment is
 * reported as finished. A deployment with an incident gets no second one, which would count its failure twice.
 */
export function incidentOfFailure(
  { since, undoneKey }: DeploymentFailure,
  { bind }: Bindings,
): Pick<Change, 'tables' | 'after' | 'furtherEvents'> {
  const key = `CAST(${bind(undoneKey ?? null)} AS text)`;
  const incident = `incident AS (
      INSERT INTO incidents (service_id, environment, deployment_id, title, description, severity,
        opened_at, resolved_at, idempotency_key)
      SELECT f.service_id, f.environment, f.failed_id, left(f.title, 200), f.reason, ${bind(IncidentSeverity.MEDIUM)},
        least(f.since, f.finished_at), f.finished_at, 'deployment/' || f.id
      FROM (
        SELECT changed.*, coalesce(undone.id, changed.id) AS failed_id,
          -- greatest() ignores NULL: the start of an undone deployment that is not recorded
          greatest(CAST(${bind(since)} AS timestamptz),
            CASE WHEN ${key} IS NULL THEN changed.started_at ELSE undone.started_at END) AS since,
          CASE WHEN ${key} IS NOT NULL AND undone.id IS NULL THEN 'Rollback to ' || changed.version
            ELSE 'Deployment of ' || coalesce(undone.version, changed.version)
              || CASE changed.status WHEN 'FAILED' THEN ' failed' ELSE ' was rolled back' END END AS title
        FROM changed LEFT JOIN deployments undone ON undone.service_id = changed.service_id
          AND undone.environment = changed.environment AND undone.idempotency_key = ${key}
      ) AS f
      WHERE NOT EXISTS (SELECT FROM incidents WHERE deployment_id = f.failed_id)
      ON CONFLICT (service_id, idempotency_key) DO NOTHING
      RETURNING *
    )`;
  return {
    tables: ['incidents'],
    after: [incident],
    furtherEvents: [
      { kind: 'INCIDENT_OPENED', rows: 'incident' },
      { kind: 'INCIDENT_RESOLVED', rows: 'incident' },
    ],
  };
}
