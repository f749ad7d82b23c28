/** The figures in SQL: each statement gives a row for every bucket in which something ended, and one for all of them. */
import type { DataSource } from 'typeorm';
import { Bindings } from '../../platform/database/conditions.js';
import type { MetricsBucket } from './delivery-metrics.types.js';

export interface MetricsScope {
  serviceId?: string;
  environment?: string;
  from: Date;
  to: Date;
  bucket: MetricsBucket;
}

interface BucketRow {
  /** In ms; null for the row of the whole time. */
  start: number | null;
}

export interface DeploymentFigures extends BucketRow {
  deployments: number;
  succeeded: number;
  failed: number;
  rolledBack: number;
  badChanges: number;
  leadTimeP50: number | null;
  leadTimeP90: number | null;
}

export interface RestoreFigures extends BucketRow {
  timeToRestoreP50: number | null;
  timeToRestoreP90: number | null;
}

export function deploymentFigures(dataSource: DataSource, scope: MetricsScope): Promise<DeploymentFigures[]> {
  const bindings = new Bindings();
  const sql = `WITH ended AS (
      SELECT ${bucketOf('d.finished_at', scope, bindings)} AS start, d.status,
        CASE WHEN d.status = 'SUCCEEDED' AND d.committed_at IS NOT NULL -- greatest() passes over NULL
          THEN greatest(0, extract(epoch FROM d.finished_at - d.committed_at))::float8 END AS lead_time,
        d.status <> 'SUCCEEDED' OR d.id IN (
          SELECT deployment_id FROM incidents WHERE deployment_id IS NOT NULL) AS bad_change
      FROM deployments d WHERE ${within('d', 'finished_at', scope, bindings)}
    )
    SELECT extract(epoch FROM start)::float8 * 1000 AS start,
      count(*)::int AS deployments,
      count(*) FILTER (WHERE status = 'SUCCEEDED')::int AS succeeded,
      count(*) FILTER (WHERE status = 'FAILED')::int AS failed,
      count(*) FILTER (WHERE status = 'ROLLED_BACK')::int AS "rolledBack",
      count(*) FILTER (WHERE bad_change)::int AS "badChanges",
      percentile_cont(0.5) WITHIN GROUP (ORDER BY lead_time) AS "leadTimeP50",
      percentile_cont(0.9) WITHIN GROUP (ORDER BY lead_time) AS "leadTimeP90"
    FROM ended GROUP BY GROUPING SETS ((start), ())`;
  return dataSource.query(sql, bindings.values);
}

export function restoreFigures(dataSource: DataSource, scope: MetricsScope): Promise<RestoreFigures[]> {
  const bindings = new Bindings();
  const sql = `WITH resolved AS (
      SELECT ${bucketOf('i.resolved_at', scope, bindings)} AS start,
        extract(epoch FROM i.resolved_at - i.opened_at)::float8 AS lasted
      FROM incidents i WHERE ${within('i', 'resolved_at', scope, bindings)}
    )
    SELECT extract(epoch FROM start)::float8 * 1000 AS start,
      percentile_cont(0.5) WITHIN GROUP (ORDER BY lasted) AS "timeToRestoreP50",
      percentile_cont(0.9) WITHIN GROUP (ORDER BY lasted) AS "timeToRestoreP90"
    FROM resolved GROUP BY GROUPING SETS ((start), ())`;
  return dataSource.query(sql, bindings.values);
}

/** Without a time zone, so that the session's own has no say. */
function bucketOf(column: string, { bucket }: MetricsScope, { bind }: Bindings): string {
  return `date_trunc(${bind(bucket.toLowerCase())}, ${column} AT TIME ZONE 'UTC')`;
}

function within(alias: string, ended: string, scope: MetricsScope, { bind }: Bindings): string {
  const { serviceId, environment, from, to } = scope;
  return [
    ...(serviceId ? [`${alias}.service_id = ${bind(serviceId)}`] : []),
    ...(environment ? [`${alias}.environment = ${bind(environment)}`] : []),
    `${alias}.${ended} >= ${bind(from)}`,
    `${alias}.${ended} < ${bind(to)}`,
  ].join(' AND ');
}
