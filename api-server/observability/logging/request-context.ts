import { AsyncValue } from '../../../contract/async-value.js';

/** Context of the request that the current code serves. */
export interface RequestContext {
  requestId: string;
  /** From the client's `traceparent` header. */
  traceId?: string;
}

export const requestContext = new AsyncValue<RequestContext>('request');
