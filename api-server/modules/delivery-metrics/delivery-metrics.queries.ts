/**
 * SQL of the delivery metrics. Each statement returns one row per bucket with finished deployments or
 * resolved incidents, and one row for the whole time range.
 */

import { Bindings } from '../../database/conditions.js';
import type { DataSource } from '../../database/pool/data-source.js';
import type { MetricsBucket } from './delivery-metrics.types.js';
import { FAILED_CHANGE, LEAD_TIME } from './ended-deployment.js';

export interface MetricsScope {
  serviceId?: string;
  environment?: string;
  from: Date;
  to: Date;
  bucket: MetricsBucket;
}

interface BucketRow {
  /** Start of the bucket in milliseconds since the epoch; null in the row of the whole time range. */
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

/** Combines stored deployments and rolled-up days; each deployment is in exactly one of them. */
export function deploymentFigures(
  dataSource: DataSource,
  scope: MetricsScope,
): Promise<readonly DeploymentFigures[]> {
  const bindings = new Bindings();
  const days = `SELECT * FROM delivery_days r WHERE ${rolledUpWithin('r', scope, bindings)}`;
  const dayBucket = truncated('day::timestamp', scope, bindings);
  const sql = `WITH days AS MATERIALIZED (${days}), finished AS (
      SELECT ${bucketOf('d.finished_at', scope, bindings)} AS start, 1 AS deployments,
        (d.status = 'SUCCEEDED')::int AS succeeded, (d.status = 'FAILED')::int AS failed,
        (d.status = 'ROLLED_BACK')::int AS rolled_back, ${FAILED_CHANGE}::int AS bad_changes, ${LEAD_TIME} AS lead_time
      FROM deployments d WHERE ${within('d', 'finished_at', scope, bindings)}
      UNION ALL
      SELECT ${dayBucket}, deployments, succeeded, failed, rolled_back, bad_changes, NULL FROM days
      UNION ALL
      SELECT ${dayBucket}, 0, 0, 0, 0, 0, unnest(lead_times) FROM days
    )
    SELECT extract(epoch FROM start)::float8 * 1000 AS start,
      coalesce(sum(deployments), 0)::int AS deployments,
      coalesce(sum(succeeded), 0)::int AS succeeded,
      coalesce(sum(failed), 0)::int AS failed,
      coalesce(sum(rolled_back), 0)::int AS "rolledBack",
      coalesce(sum(bad_changes), 0)::int AS "badChanges",
      percentile_cont(0.5) WITHIN GROUP (ORDER BY lead_time) AS "leadTimeP50",
      percentile_cont(0.9) WITHIN GROUP (ORDER BY lead_time) AS "leadTimeP90"
    FROM finished GROUP BY GROUPING SETS ((start), ())`;
  const tables = ['deployments', 'delivery_days', 'incidents'];
  return dataSource.readRows({ mode: 'read', tables }, sql, bindings.values);
}

/** Incidents are stored permanently and are not rolled up. */
export function restoreFigures(
  dataSource: DataSource,
  scope: MetricsScope,
): Promise<readonly RestoreFigures[]> {
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
  return dataSource.readRows({ mode: 'read', tables: ['incidents'] }, sql, bindings.values);
}

/** Truncates in UTC, independent of the time zone of the session. */
function bucketOf(column: string, scope: MetricsScope, bindings: Bindings): string {
  return truncated(`${column} AT TIME ZONE 'UTC'`, scope, bindings);
}

function truncated(time: string, { bucket }: MetricsScope, { bind }: Bindings): string {
  return `date_trunc(${bind(bucket.toLowerCase())}, ${time})`;
}

function within(alias: string, timeColumn: string, scope: MetricsScope, bindings: Bindings): string {
  const { bind } = bindings;
  return [
    ...ofScope(alias, scope, bindings),
    `${alias}.${timeColumn} >= ${bind(scope.from)}`,
    `${alias}.${timeColumn} < ${bind(scope.to)}`,
  ].join(' AND ');
}

/** A day belongs to the time range that contains its start, so that adjacent ranges count it once. */
function rolledUpWithin(alias: string, scope: MetricsScope, bindings: Bindings): string {
  const utc = (time: Date) => `CAST(${bindings.bind(time)} AS timestamptz) AT TIME ZONE 'UTC'`;
  return [
    ...ofScope(alias, scope, bindings),
    `${alias}.day >= ${utc(scope.from)}`,
    `${alias}.day < ${utc(scope.to)}`,
  ].join(' AND ');
}

function ofScope(alias: string, { serviceId, environment }: MetricsScope, { bind }: Bindings): string[] {
  return [
    ...(serviceId ? [`${alias}.service_id = ${bind(serviceId)}`] : []),
    ...(environment ? [`${alias}.environment = ${bind(environment)}`] : []),
  ];
}
