/**
 * One batch of a backfill updates the rows of a key range. The range limits its work, even if no row matches.
 */
import type { QueryRunner } from 'typeorm';
import { RefusedError } from './refused-error.js';

/** Declaration of a migration of phase backfill: `readonly backfill: BackfillSpec`. */
export interface BackfillSpec {
  /** SQL identifier: a name with capitals, or a reserved word, is double-quoted. */
  table: string;
  /** Column with a single-column unique index, usually the primary key. Not quoted. */
  key: string;
  /** Assignments of the UPDATE, for instance `first_name = split_part(name, ' ', 1)`. */
  set: string;
  /** Condition for the remaining rows. An updated row must not match it. */
  where: string;
}

export interface BatchPlan extends Pick<BackfillSpec, 'table' | 'set' | 'where'> {
  /** Quoted identifier. */
  key: string;
  /** Data type of the key. */
  type: string;
  isNullable: boolean;
}

export interface BatchResult {
  /** Key of the last row in the range. The next batch starts after it. */
  cursor: string | null;
  /** Number of updated rows. */
  rows: number;
  /** The pass has reached the end of the table. */
  isEnd: boolean;
}

/** Throws a `RefusedError` if the key column does not exist or is not unique. */
export async function planBatches(
  runner: QueryRunner,
  { table, key, set, where }: BackfillSpec,
): Promise<BatchPlan> {
  const [column] = await runner.query(
    `SELECT quote_ident(attname) AS key, format_type(atttypid, atttypmod) AS type, NOT attnotnull AS "isNullable",
            EXISTS (SELECT FROM pg_index WHERE indrelid = attrelid AND indisunique AND indisvalid AND indpred IS NULL
                    AND indnkeyatts = 1 AND indkey[0] = attnum) AS "isUnique"
     FROM pg_attribute WHERE attrelid = $1::regclass AND attname = $2 AND NOT attisdropped`,
    [table, key],
  );
  if (!column) throw new RefusedError(`backfill: ${table} has no column ${key}`);
  const { isUnique, ...plan } = column;
  if (!isUnique) {
    throw new RefusedError(`backfill: ${key} of ${table} has no single-column unique index; use another key`);
  }
  return { table, set, where, ...plan };
}

/** Runs in the transaction of the caller. */
export async function changeBatch(
  runner: QueryRunner,
  plan: BatchPlan,
  cursor: string | null,
  size: number,
): Promise<BatchResult> {
  const { key, type, isNullable } = plan;
  const from = cursor === null ? [] : [{ sql: (n: number) => `${key} > $${n}::${type}`, value: cursor }];
  const last = await lastKey(runner, plan, from, size);
  if (last !== null) {
    const to = { sql: (n: number) => `${key} <= $${n}::${type}`, value: last };
    return { cursor: last, rows: await changeRows(runner, plan, [...from, to]), isEnd: false };
  }
  if (!isNullable) return { cursor: null, rows: await changeRows(runner, plan, from), isEnd: true };
  const rows = await changeRest(runner, plan, from, size);
  return rows < size ? { cursor: null, rows, isEnd: true } : { cursor, rows, isEnd: false };
}

interface Condition {
  sql(parameter: number): string;
  value: unknown;
}

/** Key of the last row of a full batch, or null if fewer than `size` rows with a key remain. */
async function lastKey(
  runner: QueryRunner,
  { table, key }: BatchPlan,
  from: Condition[],
  size: number,
): Promise<string | null> {
  const [row] = await runner.query(
    `SELECT ${key}::text AS key FROM ${table} WHERE ${all(from)} ORDER BY ${key} OFFSET $${from.length + 1} LIMIT 1`,
    [...from.map(({ value }) => value), size - 1],
  );
  return row?.key ?? null;
}

/** The newline terminates a comment in `where`. `set` and `where` can't reference names of this query. */
async function changeRows(
  runner: QueryRunner,
  { table, set, where }: BatchPlan,
  range: Condition[],
): Promise<number> {
  const [{ rows, matching }] = await runner.query(
    `WITH changed AS (
       UPDATE ${table} SET ${set}
       WHERE ${all(range)} AND (${where}
       ) RETURNING (${where}
       ) AS matches)
     SELECT count(*)::int AS rows, count(*) FILTER (WHERE matches)::int AS matching FROM changed`,
    range.map(({ value }) => value),
  );
  if (matching > 0) {
    throw new RefusedError(
      'backfill: after `set` a row still matches `where`, so the backfill would never finish; after `set`, a row must not match `where`',
    );
  }
  return rows;
}

/**
 * Updates the last rows of a pass: rows after the cursor, and the rows whose key is NULL, which may be many.
 */
async function changeRest(
  runner: QueryRunner,
  plan: BatchPlan,
  from: Condition[],
  size: number,
): Promise<number> {
  const { table, key, where } = plan;
  const rest = from.length > 0 ? `(${all(from)} OR ${key} IS NULL)` : 'true';
  const found: { ctid: string }[] = await runner.query(
    `SELECT ctid::text FROM ${table} WHERE ${rest} AND (${where}
     ) LIMIT $${from.length + 1} FOR NO KEY UPDATE`,
    [...from.map(({ value }) => value), size],
  );
  const rows = {
    sql: (n: number) => `ctid = ANY ($${n}::text[]::tid[])`,
    value: found.map(({ ctid }) => ctid),
  };
  return found.length > 0 ? changeRows(runner, plan, [rows]) : 0;
}

function all(conditions: Condition[]): string {
  return conditions.map(({ sql }, index) => sql(index + 1)).join(' AND ') || 'true';
}
