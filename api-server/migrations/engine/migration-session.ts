/** The connection of a migration run. The advisory lock and all migrations use the same session. */
import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource, type EntityTarget, type QueryRunner } from 'typeorm';
import type { LockHolder } from '../../../contract/image.js';
import type { Settings } from '../../config/schema.js';
import { isDatabaseUnavailable } from '../../database/pool/connection-errors.js';
import { typeOrmLogger } from '../../database/pool/typeorm-logger.js';
import type { Logger } from '../../observability/logging/logger.js';
import type { KnownMigration } from './known-migrations.js';
import { APPLICATION_NAME, describeHolder, LOCK_KEY, runHolder } from './lock-holder.js';
import { MIGRATIONS_TABLE } from './table.js';

/** Another runner held the advisory lock for longer than `runner_wait`. */
export class LockTimeoutError extends Error {
  override readonly name = 'LockTimeoutError';

  constructor(
    message: string,
    readonly holder?: LockHolder,
  ) {
    super(message);
  }
}

export interface MigrationSession extends AsyncDisposable {
  dataSource: DataSource;
  runner: QueryRunner;
}

/** Connects, and retries for up to `connect_wait` while the database is unavailable. */
export async function openSession(
  settings: Settings,
  known: KnownMigration[],
  log: Logger,
  entities: EntityTarget<object>[] = [],
): Promise<MigrationSession> {
  const dataSource = newDataSource(settings, known, entities, log);
  const deadline = Date.now() + settings.migrations.connect_wait;
  for (;;) {
    try {
      await dataSource.initialize();
      break;
    } catch (error) {
      if (!isDatabaseUnavailable(error) || Date.now() >= deadline) throw error;
      log.warn({ err: error }, 'the database is unavailable, retrying');
      await sleep(jittered(1_000));
    }
  }
  const runner = dataSource.createQueryRunner();
  return { dataSource, runner, [Symbol.asyncDispose]: () => close(dataSource, runner) };
}

/**
 * Acquires the advisory lock, so that only one runner is active. Polls instead of blocking in
 * pg_advisory_lock: a blocked SELECT holds a snapshot, for which CREATE INDEX CONCURRENTLY in the
 * other runner waits, so both would wait for each other.
 */
export async function lockSession(
  runner: QueryRunner,
  waitMs: number,
  log: Logger,
  onWait: (holder: LockHolder | undefined) => void = () => {},
): Promise<void> {
  const deadline = Date.now() + waitMs;
  for (let waiting = false; ; waiting = true) {
    const rows: { locked: boolean }[] = await runner.query('SELECT pg_try_advisory_lock($1, $2) AS locked', [
      ...LOCK_KEY,
    ]);
    if (rows[0]?.locked) return;
    if (Date.now() >= deadline) {
      const holder = await runHolder(runner);
      const session = holder ? `: ${describeHolder(holder)}` : '';
      throw new LockTimeoutError(
        `another migration run still holds the lock after ${waitMs} ms${session}`,
        holder,
      );
    }
    if (!waiting) {
      log.info('another migration run is in progress, waiting for its lock');
      onWait(await runHolder(runner));
    }
    await sleep(jittered(250));
  }
}

/** Timeouts of the session, in milliseconds. */
export interface SessionTimeouts {
  lock: number;
  statement: number;
}

/**
 * Resets what a migration may have changed in the session: role, settings such as `search_path`, and
 * temporary tables, which hide permanent tables of the same name. Not DISCARD ALL: it would release the advisory lock.
 */
export async function resetSession(runner: QueryRunner, timeouts: SessionTimeouts): Promise<void> {
  await runner.query(
    `RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; DISCARD TEMP;
     SET lock_timeout = ${timeouts.lock}; SET statement_timeout = ${timeouts.statement};
     SET idle_in_transaction_session_timeout = 60000`,
  );
}

/** Must run outside of a transaction. */
export async function configureSession(runner: QueryRunner, timeouts: SessionTimeouts): Promise<void> {
  await resetSession(runner, timeouts);
  // If this process is killed, the server cancels the running statement within about a second, so the
  // next runner does not wait for it. Not supported by servers on all platforms.
  await runner.query("SET client_connection_check_interval = '1s'").catch(() => undefined);
}

export function jittered(ms: number): number {
  return Math.round(ms * (0.5 + Math.random()));
}

function newDataSource(
  { database }: Settings,
  known: KnownMigration[],
  entities: EntityTarget<object>[],
  log: Logger,
): DataSource {
  return new DataSource({
    type: 'postgres',
    url: database.url,
    applicationName: APPLICATION_NAME,
    entities: entities as never,
    migrations: known.map(({ migration }) => migration),
    migrationsTableName: MIGRATIONS_TABLE,
    connectTimeoutMS: database.connect_timeout,
    installExtensions: false,
    logging: false,
    logger: typeOrmLogger(log),
    poolSize: 2,
  });
}

async function close(dataSource: DataSource, runner: QueryRunner): Promise<void> {
  // The server releases the lock with the connection, even if closing a broken connection fails.
  await runner.release().catch(() => undefined);
  await dataSource.destroy().catch(() => undefined);
}
