/** What happens around every request: its id, the headers that say who answered, the log line, the figures. */
import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { HEADERS, PATHS } from '../../../contract/image.js';
import type { Readiness } from '../health/readiness.js';
import type { Logger } from '../logging/logger.js';
import { type RequestContext, requestContext } from '../logging/request-context.js';
import type { Metrics } from '../metrics/metrics.js';

export interface RequestHookParts {
  version: string;
  revision: string;
  metrics: Metrics;
  readiness: Readiness;
  log: Logger;
}

const REQUEST_ID = /^[\w.:-]{1,128}$/;
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;
const PROBES = new Set<string>([PATHS.live, PATHS.ready, PATHS.startup]);

/** The caller's id if it is fit for a log line and a header, else a new one. */
export function requestId(given: string | string[] | undefined): string {
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

export function addRequestHooks(
  app: FastifyInstance,
  { version, revision, metrics, readiness, log }: RequestHookParts,
): void {
  const enter = (request: FastifyRequest, _reply: FastifyReply, done: () => void) =>
    requestContext.run(contextOf(request), done);
  app.addHook('onRequest', (request, reply, done) => {
    void reply.header(HEADERS.requestId, request.id).header(HEADERS.version, version);
    if (revision) void reply.header(HEADERS.revision, revision);
    enter(request, reply, done);
  });
  // Once more: reading the body goes on in the socket's context, not in the request's.
  app.addHook('preHandler', enter);
  app.addHook('onSend', async (_request, reply) => {
    // While shutting down, a client that keeps its connection should go and open one elsewhere.
    // Asked for at the end: the shutdown may have begun after the request.
    if (readiness.shuttingDown) void reply.header('connection', 'close');
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unmatched';
    const status = reply.statusCode;
    metrics.httpRequest({ method: methodLabel(request.method), route, status }, reply.elapsedTime / 1_000);
    const entry = {
      requestId: request.id,
      method: request.method,
      route,
      status,
      ms: Math.round(reply.elapsedTime),
    };
    log[PROBES.has(route) ? 'trace' : 'info'](entry, 'request done');
  });
}

function contextOf(request: FastifyRequest): RequestContext {
  const { traceparent } = request.headers;
  const traceId = typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent)?.[1] : undefined;
  return { requestId: request.id, ...(traceId && { traceId }) };
}

/** A client may make up methods; the label must stay one of a few. */
function methodLabel(method: string): string {
  return ['GET', 'HEAD', 'POST', 'OPTIONS', 'PUT', 'PATCH', 'DELETE'].includes(method) ? method : 'other';
}
