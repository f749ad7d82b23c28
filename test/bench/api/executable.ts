/** Our schema with its resolvers on a plain TypeORM pool, for servers that are not ours. */
import type { GraphQLSchema } from 'graphql';
import { DataSource, type Logger } from 'typeorm';
import { createModules, ENTITIES } from '../../../api-server/modules/modules.js';

import { OPEN_IDENTITY } from '../../../api-server/platform/auth/identity.js';

export interface Executable {
  schema: GraphQLSchema;
  context: () => object;
}

export async function executable(
  { databaseUrl, pool }: { databaseUrl: string; pool: number },
  logger?: Logger,
): Promise<Executable> {
  const dataSource = new DataSource({
    type: 'postgres',
    url: databaseUrl,
    entities: ENTITIES as never,
    poolSize: pool,
    installExtensions: false,
    logging: logger !== undefined,
    ...(logger && { logger }),
  });
  await dataSource.initialize();
  const { schema, context } = await createModules(dataSource);
  return { schema, context: () => context(OPEN_IDENTITY) };
}
