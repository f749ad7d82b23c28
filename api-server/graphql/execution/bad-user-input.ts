import { GraphQLError } from 'graphql';
import { CODES } from '../../errors.js';

/** Adds the code BAD_USER_INPUT to an error of graphql-js in the values of a client, unless it has a code. */
export function withBadUserInput({ message, nodes, originalError, extensions }: GraphQLError): GraphQLError {
  return new GraphQLError(message, {
    nodes,
    originalError,
    extensions: { code: CODES.badUserInput, ...extensions },
  });
}

/** The result of `coerce`. Its errors get the code BAD_USER_INPUT, so that they are not masked. */
export function asBadUserInput<T>(coerce: () => T): T {
  try {
    return coerce();
  } catch (error) {
    throw error instanceof GraphQLError ? withBadUserInput(error) : error;
  }
}
