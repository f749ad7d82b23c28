import { ConfigError } from '../../config/config-error.js';
import { isDatabaseAway, sqlState } from '../../database/pool/connection-errors.js';
import { LockTimeoutError } from './migration-session.js';
import { RefusedError } from './refused-error.js';

/** The kubelet ends a Job that is out of time with SIGTERM; there must be last words then, too. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

/** Wrong passwords (28...) and a missing database (3D000) too: the Secret or the server may change under the same Job. */
export function isWorthAnotherTry(cause: unknown): boolean {
  const state = sqlState(cause) ?? '';
  if (cause instanceof RefusedError || cause instanceof ConfigError) return false;
  return (
    cause instanceof LockTimeoutError ||
    cause instanceof InterruptedError ||
    isDatabaseAway(cause) ||
    state === '55P03' ||
    state.startsWith('40') || // a deadlock, or a conflict with another transaction
    state === '53100' || // the disk is full
    state === '25006' || // a replica, or a primary that was just replaced
    state === '3D000' ||
    state.startsWith('28')
  );
}
