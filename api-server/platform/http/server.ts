import { type FastifyError, type FastifyInstance, fastify, LogController } from 'fastify';
import { HEADERS } from '../../../contract/image.js';
import type { Settings } from '../../config/schema.js';
import { CODES } from '../graphql/errors.js';
import type { Logger } from '../logging/logger.js';
import { errorBody } from './error-body.js';
import { requestId } from './request-hooks.js';

/** How long a client may take to send its whole request. */
const RECEIVE_TIMEOUT_MS = 30_000;

/** The HTTP server, without routes. */
export function createHttpServer({ server }: Settings, log: Logger): FastifyInstance {
  const app: FastifyInstance = fastify({
    // Its own lines only when something is wrong; ours say the rest.
    loggerInstance: log.child({}, { level: 'warn' }) as FastifyInstance['log'],
    logController: new LogController({ disableRequestLogging: true }), // one line a request, from our own hook
    bodyLimit: server.body_limit,
    requestTimeout: RECEIVE_TIMEOUT_MS,
    genReqId: ({ headers }) => requestId(headers[HEADERS.requestId]),
    forceCloseConnections: 'idle',
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send(errorBody('there is nothing here; GraphQL is at /graphql', CODES.notFound)),
  );
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status < 500)
      return reply.code(status).send(errorBody(error.message, error.code ?? CODES.badUserInput));
    log.error({ err: error }, 'a request failed');
    return reply.code(status).send(errorBody('internal error', CODES.internal));
  });
  return app;
}
