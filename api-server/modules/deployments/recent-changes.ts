import type { DataSource } from 'typeorm';
import type { AnnotatedDeployment } from '../../platform/jobs/grafana-annotations.js';
import { Service } from '../services/service.entity.js';
import { Deployment } from './deployment.entity.js';

const MAX = 500;

/** Deployments that began or ended at or after a time, the longest ago first. */
export async function deploymentsChangedSince(
  dataSource: DataSource,
  since: Date,
): Promise<AnnotatedDeployment[]> {
  const rows = await dataSource
    .getRepository(Deployment)
    .createQueryBuilder('deployment')
    .innerJoin(Service, 'service', 'service.uuid = deployment.serviceId')
    .addSelect('service.name', 'service_name')
    .where('deployment.updatedAt >= :since', { since })
    .orderBy('deployment.updatedAt', 'ASC')
    .limit(MAX)
    .getRawAndEntities<{ service_name: string }>();
  return rows.entities.map(
    ({ uuid, environmentName, version, status, startedAt, finishedAt, updatedAt }, index) => ({
      uuid,
      service: rows.raw[index]?.service_name ?? '',
      environment: environmentName,
      version,
      status,
      startedAt,
      finishedAt,
      updatedAt,
    }),
  );
}
