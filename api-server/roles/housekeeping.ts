import type { Settings } from '../config/schema.js';
import type { DataSource } from '../database/pool/data-source.js';
import type { JobDefinition } from '../jobs/job.js';
import { type RetentionRule, retentionJob } from '../jobs/retention.js';
import { deliveryRollUpJob } from '../modules/delivery-metrics/delivery-roll-up.js';
import { eventRetentionJob } from '../modules/events/event-retention.js';

/**
 * Jobs that delete expired records. `serve` runs them `extraMs` later than the worker, so they find
 * no work in `serve` while a worker runs.
 */
export function housekeepingJobs(
  dataSource: DataSource,
  { every, deployments, audit, events, schema_usage: schemaUsage }: Settings['retention'],
  extraMs = 0,
): JobDefinition[] {
  const later = (keepMs: number) => (keepMs === 0 ? 0 : keepMs + extraMs);
  const rules: RetentionRule[] = [
    { table: 'audit_events', where: 'occurred_at < $1', keepMs: later(audit) },
    { table: 'schema_usage', where: 'last_used_at < $1', keepMs: later(schemaUsage) },
    { table: 'served_schemas', where: 'last_served_at < $1', keepMs: later(schemaUsage) },
    // Stored one day longer than they are valid, so that the reuse of an expired token is still detected.
    { table: 'refresh_tokens', where: 'expires_at < $1', keepMs: later(24 * 3_600_000) },
  ];
  return [
    deliveryRollUpJob(dataSource, later(deployments), every),
    retentionJob(dataSource, rules, every),
    eventRetentionJob(dataSource, later(events), every),
  ];
}
