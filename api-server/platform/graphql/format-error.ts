/** What of an error a client gets to see. */
import { unwrapResolverError } from '@apollo/server/errors';
import type { GraphQLFormattedError } from 'graphql';
import { isDatabaseAway } from '../database/connection-errors.js';
import type { Logger } from '../logging/logger.js';
import { requestContext } from '../logging/request-context.js';
import { CODES } from './errors.js';

export interface ErrorFormatParts {
  log: Logger;
  /** A request has found the database away. */
  databaseLost(): void;
}

/**
 * Errors made for clients keep their message and code. Of any other a client sees
 * that something failed, and the request id under which the log has the rest.
 */
export function errorFormatter({ log, databaseLost }: ErrorFormatParts) {
  return (formatted: GraphQLFormattedError, error: unknown): GraphQLFormattedError => {
    const original = unwrapResolverError(error);
    if (isDatabaseAway(original)) {
      databaseLost();
      log.warn({ err: original }, 'a request found the database away');
      return replace(formatted, 'the database is away; try again', CODES.unavailable);
    }
    const { code } = formatted.extensions ?? {};
    if (code === undefined || code === CODES.internal) {
      log.error({ err: original, path: formatted.path }, 'a GraphQL operation failed');
      return replace(formatted, 'internal error', CODES.internal);
    }
    return { ...formatted, extensions: { ...formatted.extensions, ...requestContext.getStore() } };
  };
}

function replace({ path, locations }: GraphQLFormattedError, message: string, code: string) {
  return { message, path, locations, extensions: { code, ...requestContext.getStore() } };
}
