/**
 * A peer: our resolvers and our SQL in another server, configured for production according to its
 * guide. It has no authentication, limits, metrics or logs, which is an advantage over our server; the
 * guarded ones verify tokens and have a metric.
 */
import 'reflect-metadata';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { fastify } from 'fastify';
import { createYoga } from 'graphql-yoga';
import mercurius from 'mercurius';
import { JWT_SECRET } from '../../support/fixtures/tokens.js';
import { executable } from './executable.js';
import { startFloor } from './floor.js';
import { Guard } from './guard.js';
import type { PeerOrder } from './queries.js';
import { type Peer, type PeerServer, serverOf } from './subjects.js';

type Start = (order: PeerOrder, guard: Guard | undefined) => Promise<number>;

const start: Record<PeerServer, Start> = {
  async mercurius(order, guard) {
    const { schema, context } = await executable(order);
    const app = fastify();
    if (guard) {
      app.addHook('onRequest', ({ headers }) => guard.admit(headers.authorization));
      app.addHook('onResponse', async (_request, { statusCode, elapsedTime }) =>
        guard.observe(statusCode, elapsedTime),
      );
    }
    await app.register(mercurius, { schema, context, jit: 1, graphiql: false });
    return portOf(await app.listen({ host: '127.0.0.1', port: 0 }));
  },
  async yoga(order, guard) {
    const { schema, context } = await executable(order);
    const yoga = createYoga({
      schema: schema as never,
      context,
      logging: false,
      graphiql: false,
      landingPage: false,
    });
    const server = createServer(guard ? guarded(yoga, guard) : yoga);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  },
  async apollo(order, guard) {
    const { schema, context } = await executable(order);
    const plugins = guard ? [observing(guard)] : [];
    const { url } = await startStandaloneServer(new ApolloServer({ schema, plugins }), {
      context: async ({ req }) => {
        await guard?.admit(req.headers.authorization);
        return context();
      },
      listen: { host: '127.0.0.1', port: 0 },
    });
    return portOf(url);
  },
  floor: startFloor,
};

function guarded(listener: RequestListener, guard: Guard): RequestListener {
  return (request, response) => {
    const startedAt = performance.now();
    response.once('finish', () => guard.observe(response.statusCode, performance.now() - startedAt));
    guard.admit(request.headers.authorization).then(
      () => listener(request, response),
      () => response.writeHead(401).end(),
    );
  };
}

function observing(guard: Guard): ApolloServerPlugin {
  return {
    async requestDidStart() {
      const startedAt = performance.now();
      return {
        willSendResponse: async ({ response }) =>
          guard.observe(response.http.status ?? 200, performance.now() - startedAt),
      };
    },
  };
}

process.once('message', async (order: PeerOrder) => {
  const [server, isGuarded] = serverOf(process.argv[2] as Peer);
  process.send?.({ port: await start[server](order, isGuarded ? new Guard(JWT_SECRET) : undefined) });
});
process.on('disconnect', () => process.exit());

function portOf(url: string): number {
  return Number(new URL(url).port);
}
