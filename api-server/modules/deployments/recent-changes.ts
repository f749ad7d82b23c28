/** Deployments for the annotations in Grafana. */
import type { DataSource } from 'typeorm';
import type { AnnotatedDeployment } from '../../jobs/grafana-annotations.js';

const MAX = 500;

/** Deployments that changed at or after a time, in the order of their last change. */
export async function deploymentsChangedSince(
  dataSource: DataSource,
  since: Date,
): Promise<Pick<AnnotatedDeployment, 'uuid' | 'updatedAt'>[]> {
  return dataSource.query(
    `SELECT id AS uuid, updated_at AS "updatedAt" FROM deployments
     WHERE updated_at >= $1 ORDER BY updated_at LIMIT ${MAX}`,
    [since],
  );
}

/** Undefined when the deployment is past its retention. */
export async function annotatedDeployment(
  dataSource: DataSource,
  uuid: string,
): Promise<AnnotatedDeployment | undefined> {
  const [row] = await dataSource.query<AnnotatedDeployment[]>(
    `SELECT d.id AS uuid, s.name AS service, d.environment, d.version, d.status,
       d.started_at AS "startedAt", d.finished_at AS "finishedAt", d.updated_at AS "updatedAt"
     FROM deployments d JOIN services s ON s.id = d.service_id WHERE d.id = $1`,
    [uuid],
  );
  return row;
}
