/** Our schema with its resolvers on a plain TypeORM pool, for servers that are not ours. */
import type { GraphQLSchema } from 'graphql';
import type pg from 'pg';
import { DataSource } from 'typeorm';
import { OPEN_IDENTITY } from '../../../api-server/auth/identity.js';
import { observedClient } from '../../../api-server/database/pool/observed-client.js';
import { createModules, ENTITIES } from '../../../api-server/modules/modules.js';

export interface Executable {
  schema: GraphQLSchema;
  context: () => object;
}

/** Prepares what it does often, as our own pool does: for a long statement it is a good part of the time. */
export function preparing(): typeof pg.Client {
  return observedClient({ server: 'primary', prepared: true, observe: () => undefined });
}

/** @param clients what connections are made of */
export async function executable(
  { databaseUrl, pool }: { databaseUrl: string; pool: number },
  clients?: typeof pg.Client,
): Promise<Executable> {
  const dataSource = new DataSource({
    type: 'postgres',
    url: databaseUrl,
    entities: ENTITIES as never,
    poolSize: pool,
    extra: { Client: clients ?? preparing() },
    installExtensions: false,
    logging: false,
  });
  await dataSource.initialize();
  const { schema, context } = await createModules(dataSource);
  return { schema, context: () => context(OPEN_IDENTITY) };
}
