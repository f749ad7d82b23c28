/**
 * The floor: Fastify and pg, no GraphQL. Each query is run once by our resolvers to
 * learn its statements and its answer; from then on the statements are run as they
 * are, and the answer is serialized anew. Whoever maps rows to objects does more.
 */
import { randomUUID } from 'node:crypto';
import { fastify } from 'fastify';
import { graphql } from 'graphql';
import pg from 'pg';
import type { Logger } from 'typeorm';
import { executable } from './executable.js';
import type { PeerOrder } from './peer.js';

interface Recorded {
  statements: { text: string; values: unknown[] }[];
  answer: unknown;
  unique?: string;
  /** Ids that must be others each time. */
  made: unknown[];
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export async function startFloor(order: PeerOrder): Promise<number> {
  const recorded = await record(order);
  const pool = new pg.Pool({ connectionString: order.databaseUrl, max: order.pool });
  const app = fastify();
  app.post<{ Body: { query: string; variables?: unknown } }>('/graphql', async ({ body }) => {
    const entry = recorded.get(body.query);
    if (!entry) throw new Error('not recorded');
    if (entry.unique) await replayOnce(pool, entry);
    else for (const { text, values } of entry.statements) await pool.query(text, values);
    return entry.answer;
  });
  return Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port);
}

async function record(order: PeerOrder): Promise<Map<string, Recorded>> {
  let statements: Recorded['statements'] = [];
  const nothing = () => undefined;
  const logger = {
    logQuery: (text: string, values?: unknown[]) => void statements.push({ text, values: values ?? [] }),
    logQueryError: nothing,
    logQuerySlow: nothing,
    logSchemaBuild: nothing,
    logMigration: nothing,
    log: nothing,
  } as Logger;
  const { schema, context } = await executable(order, logger);
  const recorded = new Map<string, Recorded>();
  for (const { query, variables, unique } of order.queries) {
    statements = [];
    const answer = await graphql({
      schema,
      source: query,
      variableValues: variables,
      contextValue: context(),
    });
    if (answer.errors) throw new Error(`${query}: ${answer.errors.join('; ')}`);
    const made = madeIds(statements, variables);
    recorded.set(query, { statements, answer, made, ...(unique && { unique }) });
  }
  return recorded;
}

/** The statements of a mutation, on one connection, with a key and ids that have not been there. */
async function replayOnce(pool: pg.Pool, { statements, unique, made }: Recorded): Promise<void> {
  const fresh = new Map<unknown, unknown>([
    [unique, randomUUID()],
    ...made.map((id) => [id, randomUUID()] as const),
  ]);
  const client = await pool.connect();
  try {
    for (const { text, values } of statements) {
      await client.query(
        text,
        values.map((value) => fresh.get(value) ?? value),
      );
    }
  } finally {
    client.release();
  }
}

/** The ids that a mutation has made itself: those in its INSERTs that its variables don't name. */
function madeIds(statements: Recorded['statements'], variables: object): unknown[] {
  const given = [...JSON.stringify(variables).matchAll(/"([\w-]{30,})"/g)].map(([, id]) =>
    Buffer.from(id ?? '', 'base64url').toString('utf8'),
  );
  const inserts = statements.filter(({ text }) => /^\s*INSERT/i.test(text));
  const ids = inserts.flatMap(({ values }) => values.filter((value) => UUID.test(String(value))));
  return [...new Set(ids)].filter((id) => !given.some((text) => text.endsWith(String(id))));
}
