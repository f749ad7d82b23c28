import { ConfigError } from '../../config/config-error.js';
import { isDatabaseUnavailable, sqlState } from '../../database/pool/connection-errors.js';
import { LockTimeoutError } from './migration-session.js';
import { RefusedError } from './refused-error.js';

/** SIGTERM or SIGINT. The kubelet sends SIGTERM at the deadline of a Job; the run still writes its report. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

/**
 * Includes wrong passwords (28...) and a missing database (3D000): the Secret or the server may change during
 * the Job.
 */
export function isRetryable(cause: unknown): boolean {
  const state = sqlState(cause) ?? '';
  if (cause instanceof RefusedError || cause instanceof ConfigError) return false;
  return (
    cause instanceof LockTimeoutError ||
    cause instanceof InterruptedError ||
    isDatabaseUnavailable(cause) ||
    state === '55P03' ||
    state.startsWith('40') || // deadlock, or serialization failure
    state === '53100' || // disk full
    state === '25006' || // read-only: a replica, or a former primary
    state === '3D000' ||
    state.startsWith('28')
  );
}
