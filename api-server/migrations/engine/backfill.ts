/** Changes many rows in small transactions, from a cursor that the database keeps. */
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
/** Rows that a batch reads. It changes those of them that match. */
const BATCH = { first: 500, least: 1, most: 20_000 };
/** If the serving version writes rows that match faster than they are done, the backfill would never end. */
const MAX_PASSES = 20;
const QUERY_CANCELED = '57014';
const REPORT_EVERY_MS = 2_000;
/** For replicas, between two batches: one that is late on purpose, or stuck, must not hold a delivery for ever. */
const LONGEST_WAIT_MS = 60_000;

export async function createBackfills(runner: QueryRunner): Promise<void> {
  await runner.query(
    `CREATE TABLE IF NOT EXISTS ${BACKFILLS_TABLE} (name text PRIMARY KEY, cursor text, rows bigint NOT NULL DEFAULT 0, cancelled boolean NOT NULL DEFAULT false, updated_at timestamptz NOT NULL DEFAULT now(), total bigint, rows_per_second integer, throttled text)`,
  );
  const [{ there }] = await runner.query(
    `SELECT count(*) = 3 AS there FROM pg_attribute WHERE attrelid = '${BACKFILLS_TABLE}'::regclass AND attname IN ('total', 'rows_per_second', 'throttled')`,
  );
  if (there) return; // ALTER TABLE would wait for whoever reads it
  await runner.query(
    `ALTER TABLE ${BACKFILLS_TABLE} ADD COLUMN IF NOT EXISTS total bigint, ADD COLUMN IF NOT EXISTS rows_per_second integer, ADD COLUMN IF NOT EXISTS throttled text`,
  );
}

/** How far the newest of these backfills came, as its own batches recorded it. */
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
  /** How far it is; `isDue` when somebody should hear of it now. */
  report(progress: BackfillProgress, isDue: boolean): void;
  /** A batch that changed rows is in the database. */
  committed(): void;
}

/**
 * Passes over the table until a whole pass finds no row to do: rows that the old
 * version wrote behind the cursor are found by the next pass.
 */
export async function runBackfill(
  runner: QueryRunner,
  { name }: KnownMigration,
  spec: BackfillSpec,
  log: Logger,
  { report, committed }: BackfillListener,
): Promise<void> {
  const plan = await planBatches(runner, spec);
  const total = await estimate(runner, spec.table);
  await runner.query(`INSERT INTO ${BACKFILLS_TABLE} (name) VALUES ($1) ON CONFLICT DO NOTHING`, [name]);
  let warning: string | undefined;
  const lagNow = async () => {
    const lag = await readReplicaLag(runner);
    if (lag.isUnreadable && !warning) {
      warning = UNREADABLE;
      log.warn(warning);
    }
    return lag;
  };
  await lagNow();
  const startedAt = performance.now();
  let size = BATCH.first;
  let changedNow = 0;
  let changedInPass = 0;
  let isWholePass: boolean | undefined; // an earlier run may have begun the first one
  let passes = 0;
  let reportedAt = startedAt;
  for (;;) {
    const state = await stateOf(runner, name);
    isWholePass ??= state.cursor === null;
    const rate = changedNow / Math.max(0.001, (performance.now() - startedAt) / 1_000);
    const batchStartedAt = performance.now();
    const batch = await runBatch(runner, plan, { name, cursor: state.cursor, size, total, rate }).catch(
      (error: unknown) => {
        if (sqlState(error) !== QUERY_CANCELED || size === BATCH.least) throw error;
      },
    );
    if (!batch) {
      size = Math.max(BATCH.least, Math.round(size / 4));
      log.warn({ backfill: name, batch: size }, 'a batch ran into statement_timeout, it is retried smaller');
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
    if (batch.rows > 0) committed();
    const isDue = performance.now() - reportedAt > REPORT_EVERY_MS || batch.isEnd;
    report(progress, isDue);
    if (isDue) {
      reportedAt = performance.now();
      log.info({ ...progress, batch: size }, 'backfill');
    }
    if (batch.isEnd) {
      if (changedInPass === 0 && isWholePass) return;
      isWholePass = true;
      changedInPass = 0;
      passes += 1;
      if (passes < MAX_PASSES) continue;
      throw new RefusedError(
        `${name}: after ${passes} passes rows still match \`where\`: the serving version writes them; an expand migration must add a trigger that does what \`set\` does`,
      );
    }
    size = nextSize(size, took);
    await sleep(Math.min(took, TARGET_MS)); // the database has half of the time for itself
    await untilReplicasFollow(runner, name, lagNow, log, (throttled) =>
      report({ ...progress, ...(throttled && { throttled }) }, true),
    );
  }
}

async function stateOf(runner: QueryRunner, name: string) {
  const [state] = await runner.query(
    `SELECT cursor, rows::float8 AS rows, cancelled FROM ${BACKFILLS_TABLE} WHERE name = $1`,
    [name],
  );
  if (state?.cancelled) {
    throw new RefusedError(
      `${name} was cancelled after ${state.rows} rows; \`migrate resume\` lets it continue`,
    );
  }
  return state as { cursor: string | null; rows: number };
}

interface Batch {
  name: string;
  cursor: string | null;
  size: number;
  /** For whoever asks `status`. */
  total: number;
  rate: number;
}

/** The rows and the cursor change together, so a killed run neither skips a row nor counts one twice. */
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

/** The planner's own: by the file's size, also when nobody has counted yet. */
async function estimate(runner: QueryRunner, table: string): Promise<number> {
  const [row] = await runner.query(`EXPLAIN (FORMAT JSON) SELECT FROM ${table}`);
  return row?.['QUERY PLAN']?.[0]?.Plan?.['Plan Rows'] ?? 0;
}

export function nextSize(size: number, tookMs: number): number {
  const wanted = tookMs > TARGET_MS ? size / 2 : tookMs < TARGET_MS / 2 ? size * 1.5 : size;
  return Math.round(Math.min(BATCH.most, Math.max(BATCH.least, wanted)));
}

/** Says so when the wait begins and ends, and is cancelled there as anywhere else. */
async function untilReplicasFollow(
  runner: QueryRunner,
  name: string,
  lagNow: () => Promise<ReplicaLag>,
  log: Logger,
  tell: (throttled: string | undefined) => void,
): Promise<void> {
  let lag = await lagNow();
  if (!isBehind(lag)) return;
  const until = performance.now() + LONGEST_WAIT_MS;
  while (isBehind(lag) && performance.now() < until) {
    const reason = `${lag.replica} is ${Math.round(lag.ms / 1_000)} s behind`;
    log.info({ backfill: name, reason }, 'a replica is behind, the backfill waits for it');
    await noteThrottled(runner, name, reason);
    tell(reason);
    await sleep(REPORT_EVERY_MS);
    await stateOf(runner, name);
    lag = await lagNow();
  }
  tell(undefined); // the next batch clears the note
}

/**
 * For whoever asks `status`; and something to replicate: a replica that has caught up says so with
 * what it is sent, and until then its last lag stands.
 */
async function noteThrottled(runner: QueryRunner, name: string, reason: string): Promise<void> {
  await runner.query(`UPDATE ${BACKFILLS_TABLE} SET throttled = $2, updated_at = now() WHERE name = $1`, [
    name,
    reason,
  ]);
}
