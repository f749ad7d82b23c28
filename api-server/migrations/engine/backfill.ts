/** Updates many rows in small transactions. The cursor is stored in the database. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { QueryRunner } from 'typeorm';
import type { BackfillProgress } from '../../../contract/image.js';
import { sqlState } from '../../database/pool/connection-errors.js';
import type { Logger } from '../../observability/logging/logger.js';
import {
  type BackfillSpec,
  type BatchPlan,
  type BatchResult,
  changeBatch,
  planBatches,
} from './backfill-batch.js';
import type { KnownMigration } from './known-migrations.js';
import { RefusedError } from './refused-error.js';
import { isBehind, type ReplicaLag, readReplicaLag, UNREADABLE } from './replica-lag.js';

export const BACKFILLS_TABLE = 'schema_backfills';

const TARGET_MS = 200;
/** Batch size: the number of rows that a batch reads. It updates the rows that match. */
const BATCH_SIZE = { initial: 500, min: 1, max: 20_000 };
/** Limits the passes if the running version keeps writing rows that match. */
const MAX_PASSES = 20;
const QUERY_CANCELED = '57014';
const REPORT_EVERY_MS = 2_000;
/** Maximum wait for replicas per batch, because a replica can be delayed on purpose, or stuck. */
const MAX_REPLICA_WAIT_MS = 60_000;

export async function createBackfills(runner: QueryRunner): Promise<void> {
  await runner.query(
    `CREATE TABLE IF NOT EXISTS ${BACKFILLS_TABLE} (name text PRIMARY KEY, cursor text, rows bigint NOT NULL DEFAULT 0, cancelled boolean NOT NULL DEFAULT false, updated_at timestamptz NOT NULL DEFAULT now(), total bigint, rows_per_second integer, throttled text)`,
  );
  const [{ there }] = await runner.query(
    `SELECT count(*) = 3 AS there FROM pg_attribute WHERE attrelid = '${BACKFILLS_TABLE}'::regclass AND attname IN ('total', 'rows_per_second', 'throttled')`,
  );
  if (there) return; // ALTER TABLE waits for all readers of the table
  await runner.query(
    `ALTER TABLE ${BACKFILLS_TABLE} ADD COLUMN IF NOT EXISTS total bigint, ADD COLUMN IF NOT EXISTS rows_per_second integer, ADD COLUMN IF NOT EXISTS throttled text`,
  );
}

/** Progress of the most recent of these backfills, as recorded by its batches. */
export async function backfillProgress(
  runner: QueryRunner,
  names: string[],
): Promise<BackfillProgress | undefined> {
  const [{ there }] = await runner.query(`SELECT to_regclass('${BACKFILLS_TABLE}') IS NOT NULL AS there`);
  if (!there) return undefined;
  const [row] = await runner.query(
    `SELECT name, rows::float8 AS rows, coalesce(to_jsonb(b) ->> 'total', '0')::float8 AS total,
            coalesce(to_jsonb(b) ->> 'rows_per_second', '0')::float8 AS "rowsPerSecond", cancelled, to_jsonb(b) ->> 'throttled' AS throttled
     FROM ${BACKFILLS_TABLE} b WHERE name = ANY($1) ORDER BY updated_at DESC LIMIT 1`,
    [names],
  );
  if (!row) return undefined;
  const { cancelled, throttled, total, ...progress } = row;
  return {
    ...withEstimate({ ...progress, total: Math.max(total, progress.rows) }),
    ...(cancelled && { cancelled }),
    ...(throttled && !cancelled && { throttled }),
  };
}

function withEstimate(progress: Omit<BackfillProgress, 'secondsLeft'>): BackfillProgress {
  const { rows, total, rowsPerSecond } = progress;
  const secondsLeft = rowsPerSecond > 0 ? Math.max(0, Math.round((total - rows) / rowsPerSecond)) : null;
  return { ...progress, secondsLeft };
}

export interface BackfillListener {
  /** Reports the progress. `isDue` limits the rate of published reports. */
  report(progress: BackfillProgress, isDue: boolean): void;
  /** Called after the commit of a batch that updated rows. */
  onCommit(): void;
}

/**
 * Scans the table until a full pass finds no row that matches: rows that the old
 * version wrote before the cursor are found by the next pass.
 */
export async function runBackfill(
  runner: QueryRunner,
  { name }: KnownMigration,
  spec: BackfillSpec,
  log: Logger,
  { report, onCommit }: BackfillListener,
): Promise<void> {
  const plan = await planBatches(runner, spec);
  const total = await estimateRows(runner, spec.table);
  await runner.query(`INSERT INTO ${BACKFILLS_TABLE} (name) VALUES ($1) ON CONFLICT DO NOTHING`, [name]);
  let warning: string | undefined;
  const readLag = async () => {
    const lag = await readReplicaLag(runner);
    if (lag.isUnreadable && !warning) {
      warning = UNREADABLE;
      log.warn(warning);
    }
    return lag;
  };
  await readLag();
  const startedAt = performance.now();
  let size = BATCH_SIZE.initial;
  let changedNow = 0;
  let changedInPass = 0;
  let isFullPass: boolean | undefined; // an earlier run may have started the first pass
  let passes = 0;
  let reportedAt = startedAt;
  for (;;) {
    const state = await readState(runner, name);
    isFullPass ??= state.cursor === null;
    const rate = changedNow / Math.max(0.001, (performance.now() - startedAt) / 1_000);
    const batchStartedAt = performance.now();
    const batch = await runBatch(runner, plan, { name, cursor: state.cursor, size, total, rate }).catch(
      (error: unknown) => {
        if (sqlState(error) !== QUERY_CANCELED || size === BATCH_SIZE.min) throw error;
      },
    );
    if (!batch) {
      size = Math.max(BATCH_SIZE.min, Math.round(size / 4));
      log.warn(
        { backfill: name, batch: size },
        'a batch exceeded statement_timeout and is retried with a smaller size',
      );
      continue;
    }
    const took = performance.now() - batchStartedAt;
    changedNow += batch.rows;
    changedInPass += batch.rows;
    const seconds = Math.max(0.001, (performance.now() - startedAt) / 1_000);
    const rows = state.rows + batch.rows;
    const rowsPerSecond = Math.round(changedNow / seconds);
    const progress = {
      ...withEstimate({ name, rows, total: Math.max(total, rows), rowsPerSecond }),
      ...(warning && { warning }),
    };
    if (batch.rows > 0) onCommit();
    const isDue = performance.now() - reportedAt > REPORT_EVERY_MS || batch.isEnd;
    report(progress, isDue);
    if (isDue) {
      reportedAt = performance.now();
      log.info({ ...progress, batch: size }, 'backfill progress');
    }
    if (batch.isEnd) {
      if (changedInPass === 0 && isFullPass) return;
      isFullPass = true;
      changedInPass = 0;
      passes += 1;
      if (passes < MAX_PASSES) continue;
      throw new RefusedError(
        `${name}: after ${passes} passes rows still match \`where\`, because the running version writes them; an expand migration must add a trigger that does what \`set\` does`,
      );
    }
    size = nextSize(size, took);
    await sleep(Math.min(took, TARGET_MS)); // limits the load of the backfill to 50 %
    await awaitReplicas(runner, name, readLag, log, (throttled) =>
      report({ ...progress, ...(throttled && { throttled }) }, true),
    );
  }
}

async function readState(runner: QueryRunner, name: string) {
  const [state] = await runner.query(
    `SELECT cursor, rows::float8 AS rows, cancelled FROM ${BACKFILLS_TABLE} WHERE name = $1`,
    [name],
  );
  if (state?.cancelled) {
    throw new RefusedError(`${name} was cancelled after ${state.rows} rows; \`migrate resume\` continues it`);
  }
  return state as { cursor: string | null; rows: number };
}

interface Batch {
  name: string;
  cursor: string | null;
  size: number;
  /** For `migrate status`: estimated rows of the table, and rows per second. */
  total: number;
  rate: number;
}

/** Updates rows and cursor in one transaction, so a killed run neither skips a row nor counts one twice. */
async function runBatch(
  runner: QueryRunner,
  plan: BatchPlan,
  { name, cursor, size, total, rate }: Batch,
): Promise<BatchResult> {
  await runner.startTransaction();
  try {
    const batch = await changeBatch(runner, plan, cursor, size);
    await runner.query(
      `UPDATE ${BACKFILLS_TABLE} SET cursor = $2, rows = rows + $3, total = $4, rows_per_second = $5, throttled = NULL, updated_at = now() WHERE name = $1`,
      [name, batch.cursor, batch.rows, Math.round(total), Math.round(rate)],
    );
    await runner.commitTransaction();
    return batch;
  } catch (error) {
    await runner.rollbackTransaction().catch(() => undefined);
    throw error;
  }
}

/** The planner's estimate of the rows of a table, which does not require ANALYZE. */
async function estimateRows(runner: QueryRunner, table: string): Promise<number> {
  const [row] = await runner.query(`EXPLAIN (FORMAT JSON) SELECT FROM ${table}`);
  return row?.['QUERY PLAN']?.[0]?.Plan?.['Plan Rows'] ?? 0;
}

export function nextSize(size: number, tookMs: number): number {
  const desired = tookMs > TARGET_MS ? size / 2 : tookMs < TARGET_MS / 2 ? size * 1.5 : size;
  return Math.round(Math.min(BATCH_SIZE.max, Math.max(BATCH_SIZE.min, desired)));
}

/** Waits until the replication lag is acceptable. Reports start and end of the wait. Can be cancelled. */
async function awaitReplicas(
  runner: QueryRunner,
  name: string,
  readLag: () => Promise<ReplicaLag>,
  log: Logger,
  reportThrottled: (throttled: string | undefined) => void,
): Promise<void> {
  let lag = await readLag();
  if (!isBehind(lag)) return;
  const until = performance.now() + MAX_REPLICA_WAIT_MS;
  while (isBehind(lag) && performance.now() < until) {
    const reason = `${lag.replica} is ${Math.round(lag.ms / 1_000)} s behind`;
    log.info({ backfill: name, reason }, 'backfill is throttled by replication lag');
    await recordThrottled(runner, name, reason);
    reportThrottled(reason);
    await sleep(REPORT_EVERY_MS);
    await readState(runner, name); // throws if the backfill was cancelled
    lag = await readLag();
  }
  reportThrottled(undefined); // the next batch clears the recorded reason
}

/**
 * Records the reason for `migrate status`. The write also makes the replica report its current lag, which it
 * updates only when it replays something.
 */
async function recordThrottled(runner: QueryRunner, name: string, reason: string): Promise<void> {
  await runner.query(`UPDATE ${BACKFILLS_TABLE} SET throttled = $2, updated_at = now() WHERE name = $1`, [
    name,
    reason,
  ]);
}
