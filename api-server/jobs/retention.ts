/** Deletes expired rows in batches. */
import type { DataSource } from '../database/pool/data-source.js';
import { queryWithLock } from './housekeeping.js';
import type { JobContext, JobDefinition } from './job.js';

export interface RetentionRule {
  table: string;
  /** SQL condition of expired rows; `$1` is the time before which rows are expired. */
  where: string;
  /** Retention in milliseconds; 0 keeps all rows. */
  keepMs: number;
}

/** Limits the time for which a statement holds its row locks. */
const BATCH = 1_000;

export function retentionJob(dataSource: DataSource, rules: RetentionRule[], everyMs: number): JobDefinition {
  return {
    name: 'retention',
    every: { ms: everyMs, data: {} },
    async handle(_data, context) {
      for (const rule of rules) if (rule.keepMs > 0) await apply(dataSource, rule, context);
    },
  };
}

async function apply(
  dataSource: DataSource,
  rule: RetentionRule,
  { signal, log }: JobContext,
): Promise<void> {
  const before = new Date(Date.now() - rule.keepMs);
  // The subquery finds each batch by the index of the condition.
  const sql = `WITH deleted AS (DELETE FROM ${rule.table} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ${rule.table} WHERE ${rule.where} LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)) RETURNING 1)
    SELECT count(*)::int AS count FROM deleted`;
  const access = { mode: 'write', tables: [rule.table] } as const;
  let deleted = 0;
  for (;;) {
    signal.throwIfAborted(); // the next run continues here
    const job = `retention ${rule.table}`;
    const rows = await queryWithLock<{ count: number }>(dataSource, job, access, sql, [before]);
    const count = rows?.[0]?.count ?? 0;
    deleted += count;
    if (count < BATCH) break;
  }
  if (deleted > 0) log.info({ table: rule.table, deleted, before }, 'deleted expired records');
}
