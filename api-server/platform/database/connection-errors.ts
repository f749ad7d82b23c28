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
/** What pg says, without a code, when a connection ends under it or none is to be had. */
const PG_MESSAGES =
  /Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|not queryable|Cannot use a pool after calling end|DataSource is not set|Driver not Connected/i;

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
  if (driverError && driverError !== error && isDatabaseAway(driverError)) return true;
  if (Array.isArray(errors) && errors.some(isDatabaseAway)) return true; // every address was tried
  if (typeof code === 'string') {
    return SYSTEM_CODES.has(code) || TRANSIENT_STATES.has(code) || code.startsWith('08');
  }
  return typeof message === 'string' && PG_MESSAGES.test(message);
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
