/**
 * A peer: our resolvers and our SQL in another server, configured for production according to its
 * guide. It has no authentication, limits, metrics or logs, which is an advantage over our server.
 */
import 'reflect-metadata';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { fastify } from 'fastify';
import { createYoga } from 'graphql-yoga';
import mercurius from 'mercurius';
import { executable } from './executable.js';
import { startFloor } from './floor.js';
import type { PeerOrder } from './queries.js';
import type { Peer } from './subjects.js';

const start: Record<Peer, (order: PeerOrder) => Promise<number>> = {
  async mercurius(order) {
    const { schema, context } = await executable(order);
    const app = fastify();
    await app.register(mercurius, { schema, context, jit: 1, graphiql: false });
    return portOf(await app.listen({ host: '127.0.0.1', port: 0 }));
  },
  async yoga(order) {
    const { schema, context } = await executable(order);
    const yoga = createYoga({
      schema: schema as never,
      context,
      logging: false,
      graphiql: false,
      landingPage: false,
    });
    const server = createServer(yoga);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  },
  async apollo(order) {
    const { schema, context } = await executable(order);
    const { url } = await startStandaloneServer(new ApolloServer({ schema }), {
      context: async () => context(),
      listen: { host: '127.0.0.1', port: 0 },
    });
    return portOf(url);
  },
  floor: startFloor,
};

process.once('message', async (order: PeerOrder) => {
  const peer = process.argv[2] as Peer;
  process.send?.({ port: await start[peer](order) });
});
process.on('disconnect', () => process.exit());

function portOf(url: string): number {
  return Number(new URL(url).port);
}
