import { AsyncLocalStorage } from 'node:async_hooks';

/** What is known of the request that the running code serves. */
export interface RequestContext {
  requestId: string;
  /** From the caller's `traceparent`, if it sent one. */
  traceId?: string;
}

export const requestContext = new AsyncLocalStorage<RequestContext>();
