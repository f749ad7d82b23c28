import { setTimeout as sleep } from 'node:timers/promises';
import type { LockHolder } from '../../../contract/image.js';
import { backoffMs } from '../../backoff.js';
import type { Settings } from '../../config/schema.js';
import { sqlState } from '../../database/pool/connection-errors.js';
import type { Logger } from '../../observability/logging/logger.js';
import { awaitBlockers, LOCK_NOT_AVAILABLE, LockNotAvailableError } from './blockers.js';
import { type BlockerWatch, describeHolder } from './lock-holder.js';
import type { LockedTable } from './locked-tables.js';
import { configureSession, type MigrationSession, type SessionTimeouts } from './migration-session.js';
import type { Progress } from './run-report.js';

const LOCK_BACKOFF = { initialMs: 500, maxMs: 10_000 };

export interface LockingWork {
  /** Tables that it locks, as far as they are known before it runs. */
  tables: LockedTable[];
  timeouts: SessionTimeouts;
  /** One attempt. `onCommit` reports progress that a failed attempt does not revert. */
  run(onCommit: () => void): Promise<void>;
}

/** Work that can't obtain a lock is rolled back, so that the traffic continues, and retried. */
export async function withLockRetries(
  session: MigrationSession,
  settings: Settings,
  { tables, timeouts, run }: LockingWork,
  progress: Progress,
  watch: BlockerWatch,
  log: Logger,
): Promise<void> {
  const { lock_attempts: attempts, cancel_blockers_after: cancelAfterMs } = settings.migrations;
  let attempt = 0;
  const onCommit = () => {
    attempt = 1; // counts only attempts without progress
  };
  const onWait = (holder: LockHolder) => {
    const hasChanged = holder.pid !== progress.lockHolder?.pid;
    progress.lockHolder = holder;
    if (hasChanged) progress.reportProgress();
  };
  for (;;) {
    attempt += 1;
    const waitMs = backoffMs(attempt, LOCK_BACKOFF);
    try {
      await configureSession(session.runner, timeouts);
      if (tables.length > 0) {
        await awaitBlockers(session.runner, tables, { waitMs, cancelAfterMs, onWait }, log);
        progress.lockHolder = undefined;
      }
      progress.isRetryPending = false;
      await run(onCommit);
      progress.lockHolder = undefined;
      return;
    } catch (error) {
      const isLocked = sqlState(error) === LOCK_NOT_AVAILABLE;
      const hasQueued = !(error instanceof LockNotAvailableError);
      progress.isRetryPending = true;
      if (hasQueued) progress.lockHolder = isLocked ? watch.takeLast() : undefined;
      if (!isLocked || attempt >= attempts) throw error;
      progress.reportProgress();
      const heldBy = progress.lockHolder && describeHolder(progress.lockHolder);
      log.warn({ attempt, attempts, heldBy }, 'lock not available, the migration will be retried');
      if (hasQueued) await sleep(waitMs);
    }
  }
}
