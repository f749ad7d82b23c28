/** Timeout of an operation, or of one event of a subscription. */
import { GraphQLError } from 'graphql';
import type { DatabaseSession } from '../../database/pool/session.js';
import { CODES } from '../../errors.js';

/**
 * Undefined after the deadline in milliseconds; its SQL statements are then cancelled. 0 disables
 * the timeout.
 */
export function inTime<T>(
  deadline: number,
  session: DatabaseSession,
  execute: () => T | Promise<T>,
): T | Promise<T | undefined> {
  const executing = execute();
  if (deadline === 0 || !(executing instanceof Promise)) return executing;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      session.cancel(tookTooLong(deadline));
      resolve(undefined);
    }, deadline);
    executing.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

export function tookTooLong(deadline: number): GraphQLError {
  return new GraphQLError(
    `the operation took longer than ${deadline / 1_000} s and was cancelled; select less data, or use pages`,
    { extensions: { code: CODES.deadline } },
  );
}
