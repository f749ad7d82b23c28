/** Reading deployments: one page, or a page for each of many services at once. */
import { type DataSource, In, type SelectQueryBuilder } from 'typeorm';
import { type Page, toPage } from '../../platform/graphql/relay/connection.js';
import { keysetSql } from '../../platform/graphql/relay/keyset.js';
import type { PageRequest } from '../../platform/graphql/relay/paging.js';
import { Deployment, deploymentsByNewest } from './deployment.entity.js';

export interface DeploymentFilter {
  serviceUuid?: string;
  environment?: string;
}

/** Newest first. */
export async function deploymentPage(
  dataSource: DataSource,
  filter: DeploymentFilter,
  request: PageRequest,
): Promise<Page<Deployment>> {
  const sql = keysetSql(deploymentsByNewest, request, (property) => `deployment.${property}`);
  const query = filtered(dataSource, filter).limit(request.limit + 1);
  for (const condition of sql.where) query.andWhere(condition, sql.params);
  for (const column of sql.orderBy) query.addOrderBy(column, sql.direction);
  const count = () => filtered(dataSource, filter).getCount();
  return toPage(deploymentsByNewest, request, await query.getMany(), count);
}

/** The same page for each of the services, in two statements however many they are. */
export async function deploymentRowsByService(
  dataSource: DataSource,
  serviceUuids: readonly string[],
  environment: string | undefined,
  request: PageRequest,
): Promise<Map<string, Deployment[]>> {
  const repository = dataSource.getRepository(Deployment);
  const columnOf = (property: string) =>
    `d."${repository.metadata.findColumnWithPropertyName(property)?.databaseName ?? property}"`;
  const sql = keysetSql(deploymentsByNewest, request, columnOf);
  const where = [
    'd.service_id = service.id',
    ...(environment ? ['d.environment = :environment'] : []),
    ...sql.where,
  ];
  const order = sql.orderBy.map((column) => `${column} ${sql.direction}`).join(', ');
  const [text, values] = dataSource.driver.escapeQueryWithParameters(
    `SELECT page.id FROM unnest(CAST(:services AS uuid[])) AS service (id)
     CROSS JOIN LATERAL (
       SELECT d.id, ${sql.orderBy.map((column, index) => `${column} AS key${index}`).join(', ')}
       FROM deployments d WHERE ${where.join(' AND ')} ORDER BY ${order} LIMIT :limit
     ) AS page
     ORDER BY ${sql.orderBy.map((_, index) => `page.key${index} ${sql.direction}`).join(', ')}`,
    { services: [...serviceUuids], environment, limit: request.limit + 1, ...sql.params },
  );
  const ids: { id: string }[] = await dataSource.query(text, values);
  const rows = await repository.findBy({ uuid: In(ids.map(({ id }) => id)) });
  const byId = new Map(rows.map((row) => [row.uuid, row]));
  const inOrder = ids.flatMap(({ id }) => byId.get(id) ?? []);
  return Map.groupBy(inOrder, ({ serviceId }) => serviceId);
}

/** How many deployments each service has. */
export async function countsByService(
  dataSource: DataSource,
  serviceUuids: readonly string[],
  environment: string | undefined,
): Promise<Map<string, number>> {
  const query = filtered(dataSource, { environment })
    .select('deployment.serviceId', 'service')
    .addSelect('count(*)::int', 'count')
    .andWhere({ serviceId: In([...serviceUuids]) })
    .groupBy('deployment.serviceId');
  const rows = await query.getRawMany<{ service: string; count: number }>();
  return new Map(rows.map(({ service, count }) => [service, count]));
}

function filtered(
  dataSource: DataSource,
  { serviceUuid, environment }: DeploymentFilter,
): SelectQueryBuilder<Deployment> {
  const query = dataSource.getRepository(Deployment).createQueryBuilder('deployment');
  if (serviceUuid) query.andWhere({ serviceId: serviceUuid });
  if (environment) query.andWhere({ environmentName: environment });
  return query;
}
