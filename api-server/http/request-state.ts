/** State of a request, and the async contexts in which its code runs. */
import { createHash, randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Span } from '@opentelemetry/api';
import type { FastifyRequest } from 'fastify';
import { runWith } from '../../contract/async-value.js';
import { HEADERS } from '../../contract/image.js';
import { isTracing, startSpan, valuesOfSpan } from '../../contract/tracing/tracing.js';
import type { Database } from '../database/database.js';
import { type DatabaseSession, databaseSession } from '../database/pool/session.js';
import { type RequestContext, requestContext } from '../observability/logging/request-context.js';

export interface RequestState {
  context: RequestContext;
  session: DatabaseSession;
  /** Digest of the credentials, which distinguishes clients without identifying them. */
  client?: string;
  span?: Span;
}

declare module 'fastify' {
  interface FastifyRequest {
    state?: RequestState;
  }
}

const REQUEST_ID = /^[\w.:-]{1,128}$/;
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;

/** The client's request ID if it is safe for logs and headers; otherwise a new one. */
export function requestId(given: string | string[] | undefined): string {
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

export function newState(request: FastifyRequest, database: Database): RequestState {
  const { headers } = request;
  const client = database.hasReplica ? clientOf(headers) : undefined;
  const position = headers[HEADERS.position];
  const session = database.session(client, typeof position === 'string' ? position : undefined);
  const span = isTracing() ? serverSpan(request) : undefined;
  const traceId = span?.spanContext().traceId ?? callersTrace(headers);
  return { context: { requestId: request.id, ...(traceId && { traceId }) }, session, client, span };
}

/** Runs `work` in the contexts of the request, to which its log lines, statements and spans belong. */
export function enter({ context, session, span }: RequestState, work: () => void): void {
  runWith({ ...requestContext.with(context), ...databaseSession.with(session), ...valuesOfSpan(span) }, work);
}

function callersTrace({ traceparent }: IncomingHttpHeaders): string | undefined {
  return typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent)?.[1] : undefined;
}

function serverSpan({ method, url, headers, routeOptions }: FastifyRequest): Span | undefined {
  const route = routeOptions.url ?? 'unmatched';
  return startSpan(`${method} ${route}`, {
    kind: 'server',
    parent: headers,
    attributes: { 'http.request.method': method, 'http.route': route, 'url.path': url.split('?')[0] ?? '' },
  });
}

function clientOf(headers: IncomingHttpHeaders): string | undefined {
  const credentials = headers.authorization ?? headers['x-api-key'] ?? headers.cookie;
  if (credentials === undefined) return undefined;
  return createHash('sha256').update(String(credentials)).digest('base64');
}
