import type { FastifyReply } from 'fastify';
import { databaseFailure, isDatabaseUnavailable } from '../database/pool/connection-errors.js';
import type { DatabaseMonitor } from '../database/pool/database-monitor.js';
import { errorBody } from './error-body.js';

/** Sends 503 for a failure of the database. Throws all other errors. */
export function sendDatabaseFailure(
  reply: FastifyReply,
  error: unknown,
  monitor: DatabaseMonitor,
): FastifyReply {
  const failure = databaseFailure(error);
  if (!failure) throw error;
  if (isDatabaseUnavailable(error)) monitor.checkSoon();
  return reply
    .code(503)
    .header('retry-after', String(monitor.retryAfterSeconds))
    .send(errorBody(failure.message, failure.code));
}
