import { AsyncLocalStorage } from 'node:async_hooks';

/** Context of the request that the current code serves. */
export interface RequestContext {
  requestId: string;
  /** From the client's `traceparent` header. */
  traceId?: string;
}

export const requestContext = new AsyncLocalStorage<RequestContext>();
