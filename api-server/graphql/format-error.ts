/** Formats errors for clients. */
import { unwrapResolverError } from '@apollo/server/errors';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { databaseFailure, isDatabaseUnavailable, sqlState } from '../database/pool/connection-errors.js';
import { CODES } from '../errors.js';
import type { Logger } from '../observability/logging/logger.js';
import { requestContext } from '../observability/logging/request-context.js';

export interface ErrorFormatParts {
  log: Logger;
  /** A request failed because the database is unavailable. */
  databaseLost(): void;
}

/** Signature of Apollo's `formatError`. */
export type ErrorFormatter = (formatted: GraphQLFormattedError, error: unknown) => GraphQLFormattedError;
/** The same for errors that did not pass through Apollo. */
export type ErrorMask = (error: GraphQLError) => GraphQLFormattedError;

/**
 * Errors for clients keep their message and code. All other errors become "internal error" with the
 * request ID, by which the log line with the details is found.
 */
export function errorFormatter({ log, databaseLost }: ErrorFormatParts): ErrorFormatter {
  return (formatted, error) => {
    const original = unwrapResolverError(error);
    const failure = databaseFailure(original);
    if (failure) {
      if (isDatabaseUnavailable(original)) databaseLost();
      log.warn({ err: original, path: formatted.path }, 'database failed during a request');
      return replace(formatted, failure.message, failure.code);
    }
    if (isUnstorable(original)) {
      return replace(
        formatted,
        'a text contains a character, or a number or time is out of the range, that the database cannot store',
        CODES.badUserInput,
      );
    }
    if (isRefusal(original)) return replace(formatted, original.message, CODES.badUserInput);
    const { code } = formatted.extensions ?? {};
    if (code === undefined || code === CODES.internal) {
      log.error({ err: original, path: formatted.path }, 'GraphQL operation failed');
      return replace(formatted, 'internal error', CODES.internal);
    }
    return { ...formatted, extensions: { ...formatted.extensions, ...requestContext.getStore() } };
  };
}

/** Errors of Apollo about the request, which have a status but no code. */
function isRefusal(error: unknown): error is GraphQLError {
  if (!(error instanceof GraphQLError) || error.extensions.code !== undefined) return false;
  const { status } = (error.extensions.http ?? {}) as { status?: number };
  return status !== undefined && status >= 400 && status < 500;
}

/** Values that PostgreSQL rejects for any column of the type: NUL in a text, a time before its calendar. */
function isUnstorable(error: unknown): boolean {
  return ['22021', '22P05', '22008', '22003'].includes(sqlState(error) ?? '');
}

function replace({ path, locations }: GraphQLFormattedError, message: string, code: string) {
  return { message, path, locations, extensions: { code, ...requestContext.getStore() } };
}

export function maskOf(formatError: ErrorFormatter): ErrorMask {
  return (error) => formatError(asFormatted(error), error);
}

/** The format in which Apollo passes errors to `formatError`. */
function asFormatted(error: GraphQLError): GraphQLFormattedError {
  const { message, locations, path, extensions } = error;
  return {
    message,
    ...(locations && { locations }),
    ...(path && { path }),
    extensions: { ...extensions, code: extensions.code ?? CODES.internal },
  };
}
