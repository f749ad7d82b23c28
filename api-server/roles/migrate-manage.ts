import 'reflect-metadata';
import { EXIT } from '../../contract/image.js';
import { loadSettings } from '../config/load.js';
import type { Settings } from '../config/schema.js';
import { BACKFILLS_TABLE, createBackfills } from '../migrations/engine/backfill.js';
import { createHistory, readHistory, recordApplied } from '../migrations/engine/history.js';
import { type KnownMigration, knownMigrations } from '../migrations/engine/known-migrations.js';
import { lockSession, type MigrationSession, openSession } from '../migrations/engine/migration-session.js';
import { createLogger, type Logger } from '../observability/logging/logger.js';
import { withTemporaryFailure } from './temporary-failure.js';

/** `migrate baseline`, `cancel` and `resume`. */
export async function migrateManage(action: 'baseline' | 'cancel' | 'resume', name: string): Promise<number> {
  const settings = await loadSettings();
  const known = await knownMigrations();
  const index = known.findIndex((one) => one.name === name);
  const migration = known[index];
  if (!migration) return reject(`this image has no migration ${name}`);
  if (action !== 'baseline' && !isBackfill(migration)) {
    return reject(
      `${name} (${migration.phase}) is not a backfill: it is applied in one transaction, so it cannot be ${action === 'cancel' ? 'cancelled' : 'resumed'}`,
    );
  }
  const log = createLogger(settings.logging.level, 'stderr');
  return withTemporaryFailure(settings.database.url, async () => {
    await using session = await openSession(settings, known, log);
    if (action !== 'baseline') return await setCancelled(session, name, action === 'cancel');
    return await recordBaseline(session, settings, known.slice(0, index + 1), log);
  });
}

async function recordBaseline(
  { runner }: MigrationSession,
  settings: Settings,
  migrations: readonly KnownMigration[],
  log: Logger,
): Promise<number> {
  await lockSession(runner, settings.migrations.runner_wait, log);
  if ((await readHistory(runner)).length > 0) return reject('the database already has a migration history');
  await runner.startTransaction();
  await createHistory(runner);
  for (const migration of migrations) await recordApplied(runner, migration);
  await runner.commitTransaction();
  process.stdout.write(`recorded ${migrations.length} migrations as applied\n`);
  return EXIT.ok;
}

function isBackfill({ migration }: KnownMigration): boolean {
  return 'backfill' in new migration();
}

/** Does not take the lock: the running backfill holds it. */
async function setCancelled({ runner }: MigrationSession, name: string, cancelled: boolean): Promise<number> {
  await createBackfills(runner);
  await runner.query(
    `INSERT INTO ${BACKFILLS_TABLE} (name, cancelled) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET cancelled = $2`,
    [name, cancelled],
  );
  process.stdout.write(
    `${name} ${cancelled ? 'is cancelled' : 'will continue with the next `migrate up`'}\n`,
  );
  return EXIT.ok;
}

function reject(reason: string): number {
  process.stderr.write(`${reason}\n`);
  return EXIT.config;
}
