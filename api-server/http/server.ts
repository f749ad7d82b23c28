import type { IncomingMessage } from 'node:http';
import {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
  fastify,
  LogController,
} from 'fastify';
import { HEADERS } from '../../contract/image.js';
import type { Settings } from '../config/schema.js';
import { CODES } from '../errors.js';
import type { Logger } from '../observability/logging/logger.js';
import { discardBody } from './discard-body.js';
import { errorBody } from './error-body.js';
import { refuseInvalidUtf8 } from './json-body.js';
import { requestId } from './request-state.js';
import type { Certificate } from './tls.js';
import { trustedProxies } from './trusted-proxies.js';
import { shouldUpgradeCallback } from './upgrade.js';

const TOO_LARGE = 'FST_ERR_CTP_BODY_TOO_LARGE';

/** Creates the HTTP or HTTPS server, without routes. */
export function createHttpServer(
  { server }: Settings,
  log: Logger,
  certificate?: Certificate,
): FastifyInstance {
  const options = {
    // Fastify logs only warnings and errors; the access log comes from our hook.
    loggerInstance: log.child({}, { level: 'warn' }) as FastifyInstance['log'],
    logController: new LogController({ disableRequestLogging: true }), // our hook writes the access log
    bodyLimit: server.body_limit,
    requestTimeout: server.receive_timeout,
    keepAliveTimeout: server.keep_alive_timeout,
    connectionTimeout: server.stall_timeout,
    http2SessionTimeout: server.keep_alive_timeout,
    ...(server.trusted_proxies && { trustProxy: trustedProxies(server.trusted_proxies) }),
    // A child logger per request would only add the request ID, which our log lines already have.
    childLoggerFactory: (logger: FastifyInstance['log']) => logger,
    frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) =>
      reply.code(error.statusCode ?? 400).send(errorBody(error.message, error.code)),
    // Handlers validate bodies themselves. Loading Fastify's compilers takes a twentieth of the start-up time.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    genReqId: ({ headers }: IncomingMessage) => requestId(headers[HEADERS.requestId]),
    forceCloseConnections: 'idle',
    // A request that arrives on a keep-alive connection just as the server closes is served, with
    // `connection: close`, instead of a 503 that a proxy would pass to its client.
    return503OnClosing: false,
    ...(certificate ? tlsOptions(server, certificate) : { http: timeouts(server) }),
  };
  // The types expect one protocol per server. Ours depends on the settings, and routes do not depend on
  // it.
  const app = fastify(options as FastifyServerOptions) as FastifyInstance;
  // not a server option, because the HTTP/2 server does not accept it
  Object.assign(app.server, { shouldUpgradeCallback });
  refuseInvalidUtf8(app);
  app.server.maxConnections = server.max_connections;
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send(errorBody('not found; the GraphQL endpoint is /graphql', CODES.notFound)),
  );
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const status = error.statusCode ?? 500;
    if (error.code === TOO_LARGE) {
      // Fastify closes the connection, so that a client that still sends gets a reset instead of the response.
      reply.removeHeader('connection');
      discardBody(request.raw);
    }
    if (status < 500)
      return reply.code(status).send(errorBody(error.message, error.code ?? CODES.badUserInput));
    log.error({ err: error }, 'request failed');
    return reply.code(status).send(errorBody('internal error', CODES.internal));
  });
  return app;
}

function noSchemas(): never {
  throw new Error('routes of this server have no JSON Schema: validate in the handler, or remove noSchemas');
}

/** Node.js checks for timeouts every 30 s by default. */
function timeouts(server: Settings['server']) {
  return { headersTimeout: server.headers_timeout, connectionsCheckingInterval: 1_000 };
}

/** ALPN negotiates HTTP/2, so HTTP/1.1 clients are served as well. */
function tlsOptions(server: Settings['server'], certificate: Certificate) {
  const https = {
    ...certificate,
    minVersion: 'TLSv1.2' as const,
    ...timeouts(server),
    shouldUpgradeCallback,
  };
  return server.http2 ? { http2: true, https: { ...https, allowHTTP1: true } } : { https };
}
