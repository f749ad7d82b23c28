/** Hooks around every request: ID, response headers, access log and metrics. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { HEADERS, PATHS } from '../../contract/image.js';
import type { Database } from '../database/database.js';
import { formatLsn } from '../database/pool/session.js';
import type { Logger } from '../observability/logging/logger.js';
import type { Metrics } from '../observability/metrics/metrics.js';
import type { Readiness } from './health/readiness.js';
import { enter, newState, type RequestState } from './request-state.js';

export interface RequestHookParts {
  version: string;
  revision: string;
  database: Database;
  metrics: Metrics;
  readiness: Readiness;
  log: Logger;
}

const PROBES = new Set<string>([PATHS.live, PATHS.ready, PATHS.startup]);

export function addRequestHooks(
  app: FastifyInstance,
  { version, revision, database, metrics, readiness, log }: RequestHookParts,
): void {
  // The access log has no secrets, so redaction would only cost time.
  const accessLog = log.child({}, { redact: [] });
  app.decorateRequest('state');
  app.addHook('onRequest', (request, reply, done) => {
    void reply.header(HEADERS.requestId, request.id).header(HEADERS.version, version);
    if (revision) void reply.header(HEADERS.revision, revision);
    request.state = newState(request, database);
    enter(request.state, done);
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    // While shutting down, HTTP/1.1 clients must close their keep-alive connections. Checked when the
    // response is sent, because the shutdown can start during the request. HTTP/2 has GOAWAY.
    const isHttp1 = request.raw.httpVersionMajor === 1;
    if (readiness.shuttingDown && isHttp1) void reply.header('connection', 'close');
    if (!database.hasReplica || !request.state?.session.wrote) return done(null, payload);
    void tellPosition(request.state, reply, database).then(() => done(null, payload));
  });
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unmatched';
    const status = reply.statusCode;
    metrics.httpRequest({ method: methodLabel(request.method), route, status }, reply.elapsedTime / 1_000);
    endSpan(request, status);
    const entry = {
      requestId: request.id,
      method: request.method,
      route,
      status,
      ms: Math.round(reply.elapsedTime),
      ...(request.identity && { identity: request.identity.id }),
    };
    accessLog[PROBES.has(route) ? 'trace' : 'info'](entry, 'request done');
    done();
  });
}

/** Returns the replication position after a write, so that the client reads its own writes. */
async function tellPosition(
  { session, client }: RequestState,
  reply: FastifyReply,
  database: Database,
): Promise<void> {
  const lsn = await database.writtenUpTo(session, client);
  if (lsn !== undefined) void reply.header(HEADERS.position, formatLsn(lsn));
}

function endSpan({ state }: FastifyRequest, status: number): void {
  state?.span?.setAttribute('http.response.status_code', status);
  if (status >= 500) state?.span?.setStatus({ code: 2 });
  state?.span?.end();
}

/** Clients can send arbitrary methods; the label must have a bounded number of values. */
function methodLabel(method: string): string {
  return ['GET', 'HEAD', 'POST', 'OPTIONS', 'PUT', 'PATCH', 'DELETE'].includes(method) ? method : 'other';
}
