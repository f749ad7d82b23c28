import { BrokenCircuitError } from 'cockatiel';
import { CODES } from '../../errors.js';

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
/** pg-pool's message when no connection became free in time. */
const POOL_TIMEOUT = /timeout exceeded when trying to connect/;
/** pg's message when a server does not respond to a statement. */
const NO_RESPONSE = /^Query read timeout$/;
/** pg's error messages without a code, for connections that are lost or cannot be opened. */
const PG_MESSAGES =
  /Connection terminated|Client has encountered a connection error|not queryable|Cannot use a pool after calling end|DataSource is not set|Driver not Connected/i;

export const FOREIGN_KEY_VIOLATION = '23503';
export const UNIQUE_VIOLATION = '23505';
const QUERY_CANCELED = '57014';
const LOCK_NOT_AVAILABLE = '55P03';

/** The server is available, but no connection became free in time. */
export class PoolExhausted extends Error {}

interface Coded {
  code?: unknown;
  message?: unknown;
  driverError?: unknown;
  errors?: unknown;
}

/** Whether an error means that the database is unavailable, as opposed to an error of the statement. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, message, driverError, errors } = error as Coded;
  if (error instanceof BrokenCircuitError) return true;
  if (driverError && driverError !== error && isDatabaseUnavailable(driverError)) return true;
  if (Array.isArray(errors) && errors.some(isDatabaseUnavailable)) return true; // an AggregateError of all addresses
  if (typeof code === 'string') {
    return SYSTEM_CODES.has(code) || TRANSIENT_STATES.has(code) || code.startsWith('08');
  }
  return typeof message === 'string' && PG_MESSAGES.test(message);
}

/** Whether waiting for a connection of the pool timed out. */
export function isPoolExhausted(error: unknown): boolean {
  const { message, driverError } = (error ?? {}) as Coded;
  if (error instanceof PoolExhausted || driverError instanceof PoolExhausted) return true;
  return POOL_TIMEOUT.test(String(message));
}

/** The cause of a failure of the database, as clients receive it. Undefined for all other errors. */
export function databaseFailure(error: unknown): { message: string; code: string } | undefined {
  if (isPoolExhausted(error)) {
    return { message: 'the database connection pool is exhausted; try again', code: CODES.unavailable };
  }
  if (isDatabaseUnavailable(error)) {
    return { message: 'the database is unavailable; try again', code: CODES.unavailable };
  }
  // Statements of a session that was cancelled fail with this code, too, but no client receives their errors.
  if (sqlState(error) === QUERY_CANCELED) {
    return { message: 'the statement timeout of the database was exceeded', code: CODES.deadline };
  }
  if (sqlState(error) === LOCK_NOT_AVAILABLE) {
    return { message: 'the lock timeout of the database was exceeded', code: CODES.deadline };
  }
  if (NO_RESPONSE.test(String((error as Coded | null)?.message))) {
    return { message: 'the database did not respond in time', code: CODES.deadline };
  }
  return undefined;
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
  return isDatabaseUnavailable(error) ? 'connection lost' : 'unexpected error';
}
