/** Errors that clients receive. All other errors are masked. */
import { GraphQLError } from 'graphql';

export const CODES = {
  badUserInput: 'BAD_USER_INPUT',
  notFound: 'NOT_FOUND',
  conflict: 'CONFLICT',
  unauthenticated: 'UNAUTHENTICATED',
  forbidden: 'FORBIDDEN',
  rateLimited: 'RATE_LIMITED',
  unavailable: 'SERVICE_UNAVAILABLE',
  unparsable: 'GRAPHQL_PARSE_FAILED',
  invalid: 'GRAPHQL_VALIDATION_FAILED',
  tooLarge: 'QUERY_TOO_LARGE',
  deadline: 'DEADLINE_EXCEEDED',
  untrusted: 'UNTRUSTED_DOCUMENT',
  internal: 'INTERNAL_SERVER_ERROR',
} as const;

export interface FieldProblem {
  /** Path of the argument, for example `input.name`. */
  field: string;
  message: string;
}

export function badUserInput(...problems: FieldProblem[]): GraphQLError {
  const message = problems.map(({ field, message }) => `${field}: ${message}`).join('; ');
  return new GraphQLError(message, {
    extensions: { code: CODES.badUserInput, field: problems[0]?.field, problems },
  });
}

export function notFound(message: string, field?: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: CODES.notFound, ...(field && { field }) } });
}

export function conflict(message: string, field?: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: CODES.conflict, ...(field && { field }) } });
}
