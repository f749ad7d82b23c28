import { BrokenCircuitError } from 'cockatiel';

/** SQLSTATEs after which the same statement may well work on a new connection. */
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
/** A pool that is exhausted: the server is well, we are busy. */
const POOL_TIMEOUT = /timeout exceeded when trying to connect/;
/** What pg says, without a code, when a connection ends under it or none is to be had. */
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

/** Whether an error says that the database is away, rather than that the statement is wrong. */
export function isDatabaseAway(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, message, driverError, errors } = error as Coded;
  if (error instanceof BrokenCircuitError) return true;
  if (driverError && driverError !== error && isDatabaseAway(driverError)) return true;
  if (Array.isArray(errors) && errors.some(isDatabaseAway)) return true; // every address was tried
  if (typeof code === 'string') {
    return SYSTEM_CODES.has(code) || TRANSIENT_STATES.has(code) || code.startsWith('08');
  }
  return typeof message === 'string' && PG_MESSAGES.test(message);
}

/** Whether the pool had no connection to give in time. */
export function isPoolExhausted(error: unknown): boolean {
  return POOL_TIMEOUT.test(String((error as Coded | null)?.message));
}

/** Whether the server refuses our credentials: they may have been changed. */
export function isAuthenticationFailure(error: unknown): boolean {
  return sqlState(error)?.startsWith('28') ?? false;
}

/**
 * Whether a replica could not do what the primary can: it is read-only, or the
 * primary's changes cancelled what it was reading.
 */
export function isReplicaConflict(error: unknown): boolean {
  const state = sqlState(error);
  return state === '25006' || state === '40001' || state === '40P01';
}

/** The SQLSTATE of a failed statement, for instance 23505 (unique_violation). */
export function sqlState(error: unknown): string | undefined {
  const { driverError, code } = (error ?? {}) as Coded;
  const state = (driverError as Coded | undefined)?.code ?? code;
  return typeof state === 'string' ? state : undefined;
}

/** A short reason fit for a health check: a code, never a host, user or database. */
export function shortReason(error: unknown): string {
  const { code, errors } = (error ?? {}) as Coded;
  if (typeof code === 'string') return code;
  if (Array.isArray(errors) && errors.length > 0) return shortReason(errors[0]);
  return isDatabaseAway(error) ? 'connection lost' : 'unexpected error';
}
