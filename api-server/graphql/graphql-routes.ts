/** Routes of /graphql: the playground for browsers, 503 while the database is unavailable, and the pipeline. */

import type { IncomingHttpHeaders } from 'node:http';
import { constants } from 'node:zlib';
import type { BaseContext } from '@apollo/server';
import compress, { type FastifyCompressOptions } from '@fastify/compress';
import etag from '@fastify/etag';
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  HookHandlerDoneFunction,
  onRequestAsyncHookHandler,
} from 'fastify';
import { PATHS } from '../../contract/image.js';
import type { Identity } from '../auth/identity.js';
import type { DatabaseMonitor } from '../database/pool/database-monitor.js';
import { CODES } from '../errors.js';
import { PAGE_POLICY } from '../http/browser-rules.js';
import { errorBody } from '../http/error-body.js';
import type { Pipeline } from './pipeline.js';
import { playgroundPage } from './playground.js';
import { prefersPage } from './response-format.js';

export interface GraphqlRouteParts<Context extends BaseContext> {
  pipeline: Pipeline<Context>;
  monitor: DatabaseMonitor;
  playground: boolean;
  /** Sets the identity of the request, or sends an error. */
  identify: onRequestAsyncHookHandler;
  context: (identity: Identity, headers: IncomingHttpHeaders) => Context;
}

/** Low compression levels: higher ones save few bytes and cost much CPU time. */
const COMPRESSION = {
  threshold: 1_400,
  globalDecompression: false, // compressed request bodies could be decompression bombs
  encodings: ['br', 'gzip'],
  brotliOptions: { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } },
  zlibOptions: { level: 6 },
} satisfies FastifyCompressOptions;

export function addGraphqlRoutes<Context extends BaseContext>(
  app: FastifyInstance,
  parts: GraphqlRouteParts<Context>,
): void {
  const { pipeline, context } = parts;
  // Before the body is read, so that unauthenticated clients cannot send one.
  const hooks = [showPlayground(parts.playground), requireDatabase(parts.monitor), parts.identify];
  const handler = async (request: FastifyRequest, reply: FastifyReply) => {
    endWithClient(request, reply);
    const newContext = () => context(identityOf(request), request.headers);
    const { status, headers, body } = await pipeline.answer(request, newContext);
    for (const [name, value] of headers) void reply.header(name, value);
    return reply.code(status).send(body);
  };
  void app.register(async (scope) => {
    await scope.register(compress, COMPRESSION);
    scope.post(PATHS.graphql, { onRequest: [...hooks] }, handler); // a copy, because plugins add hooks to it
  });
  void app.register(async (scope) => {
    // Before compression, so that the ETag does not depend on the encoding.
    await scope.register(etag, { weak: true });
    await scope.register(compress, COMPRESSION);
    scope.get(PATHS.graphql, { onRequest: [...hooks] }, (request, reply) => {
      void reply.header('cache-control', 'private, no-cache'); // cached by the client, and revalidated with its ETag
      return handler(request, reply);
    });
  });
}

function showPlayground(isOn: boolean) {
  return (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => {
    if (!isOn || !isBrowser(request)) return done();
    void playgroundPage().then(
      (page) =>
        reply
          .header('content-type', 'text/html; charset=utf-8')
          .header('content-encoding', 'gzip')
          .header('cache-control', 'no-cache')
          .header('content-security-policy', PAGE_POLICY)
          .send(page),
      done,
    );
  };
}

/** Hook for onRequest. It sends 503 while the database is unavailable. */
export function requireDatabase(monitor: DatabaseMonitor) {
  return (_request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => {
    if (monitor.isReady) return done();
    void reply
      .code(503)
      .header('retry-after', String(monitor.retryAfterSeconds))
      .send(errorBody('the database is unavailable; try again', CODES.unavailable));
  };
}

function identityOf({ identity }: FastifyRequest): Identity {
  if (!identity) throw new Error('the request has no identity');
  return identity;
}

/** Whether a browser opens the URL, as opposed to a client that sends a query. */
function isBrowser({ method, headers, query }: FastifyRequest): boolean {
  return method === 'GET' && !Object.hasOwn(query as object, 'query') && prefersPage(headers.accept);
}

/** Cancels SQL statements when the client disconnects. Writes continue. */
function endWithClient({ state }: FastifyRequest, reply: FastifyReply): void {
  reply.raw.once('close', () => {
    if (!state || reply.raw.writableFinished || state.session.wrote) return;
    state.session.cancel(new Error('the client closed the connection'));
  });
}
