import type { ApolloServer, BaseContext } from '@apollo/server';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PATHS } from '../../../contract/image.js';
import type { DatabaseMonitor } from '../database/database-monitor.js';
import { errorBody } from '../http/error-body.js';
import { CODES } from './errors.js';
import { playgroundPage } from './playground.js';

export interface GraphqlRouteParts<Context extends BaseContext> {
  apollo: ApolloServer<Context>;
  monitor: DatabaseMonitor;
  playground: boolean;
  context: () => Context;
}

/** /graphql: the playground for browsers, 503 while the database is away, else Apollo. */
export function addGraphqlRoutes<Context extends BaseContext>(
  app: FastifyInstance,
  { apollo, monitor, playground, context }: GraphqlRouteParts<Context>,
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
    preHandler: [showPlayground, requireDatabase],
    handler: fastifyApolloHandler(apollo, { context: async () => context() }),
  });
}

/** Someone who opened the address, rather than a program that sent a query. */
function isBrowser({ method, headers, query }: FastifyRequest): boolean {
  const asksForPage = method === 'GET' && headers.accept?.includes('text/html') === true;
  return asksForPage && !Object.hasOwn(query as object, 'query');
}
