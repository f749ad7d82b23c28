import { requestContext } from '../logging/request-context.js';

/** An error in GraphQL's shape, so that a client needs to know one shape only. */
export function errorBody(message: string, code: string) {
  return { errors: [{ message, extensions: { code, ...requestContext.getStore() } }] };
}
