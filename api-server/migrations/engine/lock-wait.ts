import type { Query } from './statement-gate.js';

/** Minimum `lock_timeout` for the later locks of a transaction. */
const MIN_LOCK_TIMEOUT_MS = 10;

/**
 * While a statement waits for its lock, the traffic waits for the locks that the transaction already
 * holds. So the limit applies to the transaction, and is counted from its first lock.
 */
export function lockWaitLimiter(timeoutMs: number): (query: Query) => Promise<void> {
  let lockedAt: number | undefined;
  return async (query) => {
    if (lockedAt === undefined || timeoutMs === 0) {
      lockedAt = performance.now();
      return;
    }
    const left = Math.round(timeoutMs - (performance.now() - lockedAt));
    await query(`SET LOCAL lock_timeout = ${Math.max(MIN_LOCK_TIMEOUT_MS, left)}`);
  };
}
