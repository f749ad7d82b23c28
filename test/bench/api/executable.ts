/** Our schema and resolvers on a plain pool, without routing and retries, for the compared servers. */
import type { GraphQLSchema } from 'graphql';
import pg from 'pg';
import { pino } from 'pino';
import { OPEN_IDENTITY } from '../../../api-server/auth/identity.js';
import { DataSource } from '../../../api-server/database/pool/data-source.js';
import { rowsByKey } from '../../../api-server/database/routing/shared-reads.js';
import type { StatementRunner } from '../../../api-server/database/routing/statement-router.js';
import { createModules, ENTITIES } from '../../../api-server/modules/modules.js';

export interface Executable {
  schema: GraphQLSchema;
  context: () => object;
}

/** A client with prepared statements, as pg documents them: planning takes a large part of the time of a long statement. */
class PreparingClient extends pg.Client {
  static readonly #names = new Map<string, string>();

  // biome-ignore lint/suspicious/noExplicitAny: pg's own overloads
  override query(text: any, values?: any, callback?: any): any {
    if (typeof text !== 'string' || callback || !values?.length) return super.query(text, values, callback);
    const names = PreparingClient.#names;
    const name = names.get(text) ?? `bench_${names.size}`;
    names.set(text, name);
    return super.query({ name, text, values });
  }
}

/** @param clients class of the database connections */
export async function executable(
  { databaseUrl, pool }: { databaseUrl: string; pool: number },
  clients?: typeof pg.Client,
): Promise<Executable> {
  const connections = new pg.Pool({
    connectionString: databaseUrl,
    max: pool,
    Client: clients ?? PreparingClient,
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
