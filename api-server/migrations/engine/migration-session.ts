/** The one connection a migration run has: the advisory lock and the migrations live and die with it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource, type EntityTarget, type QueryRunner } from 'typeorm';
import type { LockHolder } from '../../../contract/image.js';
import type { Settings } from '../../config/schema.js';
import { isDatabaseAway } from '../../database/pool/connection-errors.js';
import { typeOrmLogger } from '../../database/pool/typeorm-logger.js';
import type { Logger } from '../../observability/logging/logger.js';
import type { KnownMigration } from './known-migrations.js';
import { APPLICATION_NAME, describeHolder, LOCK_KEY, runHolder } from './lock-holder.js';
import { MIGRATIONS_TABLE } from './table.js';

/** Another runner had the lock for longer than we may wait. */
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

/** Connects, waiting for a database that is away for as long as the settings allow. */
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
      if (!isDatabaseAway(error) || Date.now() >= deadline) throw error;
      log.warn({ err: error }, 'the database is away, trying again');
      await sleep(jittered(1_000));
    }
  }
  const runner = dataSource.createQueryRunner();
  return { dataSource, runner, [Symbol.asyncDispose]: () => close(dataSource, runner) };
}

/**
 * One runner at a time. Polls instead of blocking in pg_advisory_lock: a blocked
 * SELECT holds a snapshot, for which CREATE INDEX CONCURRENTLY in the other
 * runner would wait, and the two would wait for each other.
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
      const who = holder ? `: ${describeHolder(holder)}` : '';
      throw new LockTimeoutError(
        `another migration run still holds the lock after ${waitMs} ms${who}`,
        holder,
      );
    }
    if (!waiting) {
      log.info('another migration run is under way, waiting for it');
      onWait(await runHolder(runner));
    }
    await sleep(jittered(250));
  }
}

/** How a session behaves while it migrates. */
export interface SessionTimeouts {
  /** In milliseconds. */
  lock: number;
  statement: number;
}

/**
 * Resets what a migration may have changed in the session: role, settings such as `search_path`, and
 * temporary tables, which hide others of their name. Not DISCARD ALL: it would release the advisory lock.
 */
export async function resetSession(runner: QueryRunner, timeouts: SessionTimeouts): Promise<void> {
  await runner.query(
    `RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; DISCARD TEMP;
     SET lock_timeout = ${timeouts.lock}; SET statement_timeout = ${timeouts.statement};
     SET idle_in_transaction_session_timeout = 60000`,
  );
}

/** Outside of a transaction. */
export async function configureSession(runner: QueryRunner, timeouts: SessionTimeouts): Promise<void> {
  await resetSession(runner, timeouts);
  // When this process is killed, the server ends its running statement soon, not when it is done,
  // so the next runner need not wait. Not every platform's server can.
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
  // The lock ends with its connection; closing one that is broken may fail, which changes nothing.
  await runner.release().catch(() => undefined);
  await dataSource.destroy().catch(() => undefined);
}
