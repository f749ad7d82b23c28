/** Deployments for the annotations in Grafana. */

import { MoreThanOrEqual } from 'typeorm';
import type { DataSource } from '../../database/pool/data-source.js';
import type { AnnotatedDeployment } from '../../jobs/grafana-annotations.js';
import { Deployment } from './deployment.entity.js';

const MAX = 500;

/** Deployments that changed at or after a time, in the order of their last change. */
export async function deploymentsChangedSince(
  dataSource: DataSource,
  since: Date,
): Promise<Pick<AnnotatedDeployment, 'uuid' | 'updatedAt'>[]> {
  return dataSource.withManager({ mode: 'read', tables: ['deployments'] }, (manager) =>
    manager.find(Deployment, {
      select: { uuid: true, updatedAt: true },
      where: { updatedAt: MoreThanOrEqual(since) },
      order: { updatedAt: 'ASC' },
      take: MAX,
    }),
  );
}

/** Undefined when the deployment is past its retention. */
export async function annotatedDeployment(
  dataSource: DataSource,
  uuid: string,
): Promise<AnnotatedDeployment | undefined> {
  const [row] = await dataSource.runSql<AnnotatedDeployment>(
    { mode: 'read', tables: ['deployments', 'services'] },
    `SELECT d.id AS uuid, s.name AS service, d.environment, d.version, d.status,
       d.started_at AS "startedAt", d.finished_at AS "finishedAt", d.updated_at AS "updatedAt"
     FROM deployments d JOIN services s ON s.id = d.service_id WHERE d.id = $1`,
    [uuid],
  );
  return row;
}
