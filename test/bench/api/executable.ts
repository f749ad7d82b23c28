/** Our schema and resolvers on a plain pool, without routing and retries, for the compared servers. */
import type { GraphQLSchema } from 'graphql';
import pg from 'pg';
import { pino } from 'pino';
import { OPEN_IDENTITY } from '../../../api-server/auth/identity.js';
import { DataSource } from '../../../api-server/database/pool/data-source.js';
import { observedClient } from '../../../api-server/database/pool/observed-client.js';
import { rowsByKey } from '../../../api-server/database/routing/shared-reads.js';
import type { StatementRunner } from '../../../api-server/database/routing/statement-router.js';
import { createModules, ENTITIES } from '../../../api-server/modules/modules.js';

export interface Executable {
  schema: GraphQLSchema;
  context: () => object;
}

/** A client with prepared statements, like our own pool: planning takes a large part of the time of a long statement. */
export function preparing(): typeof pg.Client {
  return observedClient({ server: 'primary', prepared: true, observe: () => undefined });
}

/** @param clients class of the database connections */
export async function executable(
  { databaseUrl, pool }: { databaseUrl: string; pool: number },
  clients?: typeof pg.Client,
): Promise<Executable> {
  const connections = new pg.Pool({
    connectionString: databaseUrl,
    max: pool,
    Client: clients ?? preparing(),
  } as pg.PoolConfig);
  // Not `connections.query`: it passes a callback to the client, which then neither prepares nor records.
  const query = async (text: string, values?: unknown[]): Promise<pg.QueryResult> => {
    const client = await connections.connect();
    try {
      return await client.query(text, values);
    } finally {
      client.release();
    }
  };
  const runner: StatementRunner = {
    run: (_access, text, values) => query(text, values),
    readRows: async (_access, text, values) => (await query(text, values)).rows,
    readByKey: async (read, keys) => rowsByKey(read, (await query(read.sql, [keys])).rows),
    within: (client, text, values) => client.query(text, values),
    begin: async (_access, text) => {
      const client = await connections.connect();
      await client.query(text);
      return { client, release: (error) => client.release(error) };
    },
  };
  const dataSource = new DataSource(runner, ENTITIES, pino({ level: 'silent' }));
  await dataSource.initialize();
  const { schema, context } = await createModules(dataSource);
  return { schema, context: () => context(OPEN_IDENTITY) };
}
