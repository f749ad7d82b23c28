/** The table `schema_hidden`: what contract migrations have hidden, until when, and how to restore and purge it. */
import type { QueryRunner } from 'typeorm';
import type { HiddenMigration } from '../../../contract/image.js';
import type { Query } from '../engine/statement-gate.js';
import type { HidePlan } from './hide-plan-builder.js';

export const HIDDEN_TABLE = 'schema_hidden';

export interface HiddenChange {
  migration: string;
  hiddenAt: Date;
  /** End of the window. The purge can run then. */
  until: Date;
  objects: string[];
  restore: string[];
  purge: string[];
  /** Tables that restore and purge lock. */
  tables: string[];
  lostCounters: string[];
  /** Columns that the triggers of the window read: `column services.team`. */
  reads: string[];
  /** After it, nothing can be restored. */
  purgedAt: Date | null;
}

export async function createHiddenTable(runner: QueryRunner): Promise<void> {
  await runner.query(
    `CREATE TABLE IF NOT EXISTS ${HIDDEN_TABLE} (migration text PRIMARY KEY, hidden_at timestamptz NOT NULL,
       until timestamptz NOT NULL, objects text[] NOT NULL, restore text[] NOT NULL, purge text[] NOT NULL,
       tables text[] NOT NULL, lost_counters text[] NOT NULL, reads text[] NOT NULL, purged_at timestamptz)`,
  );
}

/** Oldest first, in the order in which the migrations were hidden. Empty if the table does not exist. */
export async function readHidden(runner: QueryRunner): Promise<HiddenChange[]> {
  const [{ there }] = await runner.query(`SELECT to_regclass('${HIDDEN_TABLE}') IS NOT NULL AS there`);
  if (!there) return [];
  return runner.query(
    `SELECT migration, hidden_at AS "hiddenAt", until, objects, restore, purge, tables, lost_counters AS "lostCounters",
            reads, purged_at AS "purgedAt"
     FROM ${HIDDEN_TABLE} ORDER BY hidden_at, migration`,
  );
}

/** Runs in the transaction that hides the objects. */
export async function recordHidden(
  query: Query,
  migration: string,
  plan: HidePlan,
  windowMs: number,
): Promise<void> {
  const { objects, restore, purge, tables, lostCounters, reads } = plan;
  await query(
    `INSERT INTO ${HIDDEN_TABLE} (migration, hidden_at, until, objects, restore, purge, tables, lost_counters, reads)
     VALUES ($1, clock_timestamp(), clock_timestamp() + $2 * interval '1 millisecond', $3, $4, $5, $6, $7, $8)
     ON CONFLICT (migration) DO UPDATE SET (hidden_at, until, objects, restore, purge, tables, lost_counters, reads, purged_at) =
       (excluded.hidden_at, excluded.until, excluded.objects, excluded.restore, excluded.purge, excluded.tables, excluded.lost_counters, excluded.reads, NULL)`,
    [migration, windowMs, objects, restore, purge, tables, lostCounters, reads],
  );
}

export async function deleteHidden(query: Query, migration: string): Promise<void> {
  await query(`DELETE FROM ${HIDDEN_TABLE} WHERE migration = $1`, [migration]);
}

/** The row remains, so that a later restore reports the purge. */
export async function recordPurged(query: Query, migration: string): Promise<void> {
  await query(
    `UPDATE ${HIDDEN_TABLE} SET purged_at = clock_timestamp(), restore = '{}', purge = '{}', reads = '{}' WHERE migration = $1`,
    [migration],
  );
}

/** The hidden migrations for a report, with the number of values that hidden columns could not store. */
export async function reportHidden(runner: QueryRunner): Promise<HiddenMigration[]> {
  const hidden = (await readHidden(runner)).filter(({ purgedAt }) => purgedAt === null);
  const reports: HiddenMigration[] = [];
  for (const { migration, until, objects, lostCounters } of hidden) {
    const lost = await countLost(runner, lostCounters);
    reports.push({ migration, until: until.toISOString(), objects, ...(lost > 0 && { lost }) });
  }
  return reports;
}

async function countLost(runner: QueryRunner, counters: readonly string[]): Promise<number> {
  let lost = 0;
  for (const counter of counters) {
    const [row] = await runner.query(
      `SELECT CASE WHEN is_called THEN last_value::float8 ELSE 0 END AS lost FROM ${counter}`,
    );
    lost += row.lost;
  }
  return lost;
}
