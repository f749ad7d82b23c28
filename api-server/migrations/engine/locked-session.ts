/** The session of a run that changes the database: it holds the advisory lock of migration runs. */
import type { Settings } from '../../config/schema.js';
import type { Logger } from '../../observability/logging/logger.js';
import { refuseTransactionPooling } from './direct-connection.js';
import type { KnownMigration } from './known-migrations.js';
import { BlockerWatch } from './lock-holder.js';
import {
  configureSession,
  lockSession,
  type MigrationSession,
  openSession,
  type SessionTimeouts,
} from './migration-session.js';
import type { Progress } from './run-report.js';

/** Connects, and waits for another run for up to `runner_wait`. */
export async function openLockedSession(
  settings: Settings,
  known: KnownMigration[],
  progress: Progress,
  log: Logger,
  timeouts: SessionTimeouts,
): Promise<MigrationSession> {
  const session = await openSession(settings, known, log);
  try {
    await refuseTransactionPooling(session.dataSource, session.runner);
    await lockSession(session.runner, settings.migrations.runner_wait, log, (holder) => {
      progress.lockHolder = holder;
      progress.reportProgress();
    });
    progress.lockHolder = undefined;
    await configureSession(session.runner, timeouts);
    return session;
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

/** Reports which session blocks the session of the run. */
export async function watchBlockers(
  { dataSource, runner }: MigrationSession,
  settings: Settings,
  progress: Progress,
): Promise<BlockerWatch> {
  const [{ pid }] = await runner.query('SELECT pg_backend_pid() AS pid');
  const everyMs = Math.min(1_000, Math.max(50, settings.migrations.lock_timeout / 4));
  return new BlockerWatch(dataSource.createQueryRunner(), pid, everyMs, (holder) => {
    if (progress.isRetryPending) return; // keep the lock holder that caused the retry
    progress.lockHolder = holder;
    progress.reportProgress();
  });
}
