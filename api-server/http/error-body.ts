import { requestContext } from '../observability/logging/request-context.js';

/** An error in the format of GraphQL responses, so that clients parse only one format. */
export function errorBody(message: string, code: string) {
  return { errors: [{ message, extensions: { code, ...requestContext.getStore() } }] };
}
