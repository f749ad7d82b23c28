import type { ApolloServer, BaseContext } from '@apollo/server';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PATHS } from '../../../contract/image.js';
import type { Identity } from '../auth/identity.js';
import type { DatabaseMonitor } from '../database/database-monitor.js';
import { errorBody } from '../http/error-body.js';
import { CODES } from './errors.js';
import { playgroundPage } from './playground.js';

export interface GraphqlRouteParts<Context extends BaseContext> {
  apollo: ApolloServer<Context>;
  monitor: DatabaseMonitor;
  playground: boolean;
  /** Sets the request's identity, or answers it. */
  identify: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;
  context: (identity: Identity) => Context;
}

/** /graphql: the playground for browsers, 503 while the database is away, 401 for strangers, else Apollo. */
export function addGraphqlRoutes<Context extends BaseContext>(
  app: FastifyInstance,
  { apollo, monitor, playground, identify, context }: GraphqlRouteParts<Context>,
): void {
  const showPlayground = async (request: FastifyRequest, reply: FastifyReply) => {
    if (!playground || !isBrowser(request)) return;
    await reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-encoding', 'gzip')
      .header('cache-control', 'no-cache')
      .header('x-frame-options', 'DENY')
      .send(await playgroundPage());
  };
  const requireDatabase = async (_request: FastifyRequest, reply: FastifyReply) => {
    if (monitor.isReady) return;
    await reply
      .code(503)
      .header('retry-after', String(monitor.retryAfterSeconds))
      .send(errorBody('the database is away; try again', CODES.unavailable));
  };
  app.route({
    method: ['GET', 'POST'],
    url: PATHS.graphql,
    // Before the body is read: a stranger's is none of our business.
    onRequest: [showPlayground, requireDatabase, identify],
    handler: fastifyApolloHandler(apollo, { context: async ({ identity }) => context(known(identity)) }),
  });
}

function known(identity: Identity | undefined): Identity {
  if (!identity) throw new Error('a request without an identity came through');
  return identity;
}

/** Someone who opened the address, rather than a program that sent a query. */
function isBrowser({ method, headers, query }: FastifyRequest): boolean {
  const asksForPage = method === 'GET' && headers.accept?.includes('text/html') === true;
  return asksForPage && !Object.hasOwn(query as object, 'query');
}
