import { BrokenCircuitError } from 'cockatiel';

/** SQLSTATEs after which a retry of the statement on a new connection can succeed. */
const TRANSIENT_STATES = new Set(['57P01', '57P02', '57P03', '53300', '53400']);
const SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);
/** The pool is exhausted: the server is available, but all connections are busy. */
const POOL_TIMEOUT = /timeout exceeded when trying to connect/;
/** pg's error messages without a code, for connections that are lost or cannot be opened. */
const PG_MESSAGES =
  /Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|not queryable|Cannot use a pool after calling end|DataSource is not set|Driver not Connected/i;

export const FOREIGN_KEY_VIOLATION = '23503';
export const UNIQUE_VIOLATION = '23505';

interface Coded {
  code?: unknown;
  message?: unknown;
  driverError?: unknown;
  errors?: unknown;
}

/** Whether an error means that the database is unavailable, as opposed to an error of the statement. */
export function isDatabaseAway(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, message, driverError, errors } = error as Coded;
  if (error instanceof BrokenCircuitError) return true;
  if (driverError && driverError !== error && isDatabaseAway(driverError)) return true;
  if (Array.isArray(errors) && errors.some(isDatabaseAway)) return true; // an AggregateError of all addresses
  if (typeof code === 'string') {
    return SYSTEM_CODES.has(code) || TRANSIENT_STATES.has(code) || code.startsWith('08');
  }
  return typeof message === 'string' && PG_MESSAGES.test(message);
}

/** Whether waiting for a connection of the pool timed out. */
export function isPoolExhausted(error: unknown): boolean {
  return POOL_TIMEOUT.test(String((error as Coded | null)?.message));
}

/** Whether the server rejects the credentials. They may have been rotated. */
export function isAuthenticationFailure(error: unknown): boolean {
  return sqlState(error)?.startsWith('28') ?? false;
}

/**
 * Whether a replica failed where the primary would not: it is read-only, or a conflict with
 * recovery cancelled the statement.
 */
export function isReplicaConflict(error: unknown): boolean {
  const state = sqlState(error);
  return state === '25006' || state === '40001' || state === '40P01';
}

/** SQLSTATE of a failed statement, for example 23505 (unique_violation). */
export function sqlState(error: unknown): string | undefined {
  const { driverError, code } = (error ?? {}) as Coded;
  const state = (driverError as Coded | undefined)?.code ?? code;
  return typeof state === 'string' ? state : undefined;
}

/** A short reason for health checks: a code, never a host, user or database. */
export function shortReason(error: unknown): string {
  const { code, errors } = (error ?? {}) as Coded;
  if (typeof code === 'string') return code;
  if (Array.isArray(errors) && errors.length > 0) return shortReason(errors[0]);
  return isDatabaseAway(error) ? 'connection lost' : 'unexpected error';
}
