/**
 * The floor: Fastify and pg without GraphQL. Our resolvers run each query once to record its
 * statements and response. After that, the floor runs the recorded statements and serializes the
 * recorded response. Servers that map rows to objects do more work.
 */
import { randomUUID } from 'node:crypto';
import { fastify } from 'fastify';
import { graphql } from 'graphql';
import pg from 'pg';
import { executable } from './executable.js';
import type { PeerOrder } from './queries.js';

interface Statement {
  /** Name of the prepared statement. */
  name: string;
  text: string;
  values: unknown[];
}

interface Recorded {
  /** Statements of one wave ran concurrently, and are replayed concurrently. */
  waves: Statement[][];
  answer: unknown;
  unique?: string;
  /** Ids that must be new in each request. */
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
    else for (const wave of entry.waves) await Promise.all(wave.map((statement) => pool.query(statement)));
    return entry.answer;
  });
  return Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port);
}

async function record(order: PeerOrder): Promise<Map<string, Recorded>> {
  const recorder = new Recorder();
  const { schema, context } = await executable(order, recorder.client());
  const recorded = new Map<string, Recorded>();
  for (const { query, variables, unique } of order.queries) {
    recorder.waves = [];
    const answer = await graphql({
      schema,
      source: query,
      variableValues: variables,
      contextValue: context(),
    });
    if (answer.errors) throw new Error(`${query}: ${answer.errors.join('; ')}`);
    const { waves } = recorder;
    if (waves.length === 0) throw new Error(`no statement was recorded: ${query}`);
    const made = madeIds(waves.flat(), variables);
    recorded.set(query, { waves, answer, made, ...(unique && { unique }) });
  }
  return recorded;
}

/** Records statements in waves of concurrent ones. */
class Recorder {
  waves: Statement[][] = [];
  #running = 0;
  readonly #names = new Map<string, string>();

  client(): typeof pg.Client {
    const begin = (text: string, values: unknown[]) => this.#begin(text, values);
    const end = () => {
      this.#running -= 1;
    };
    return class RecordingClient extends pg.Client {
      // biome-ignore lint/suspicious/noExplicitAny: pg's own overloads
      override query(text: any, values?: any, callback?: any): any {
        if (typeof text !== 'string' || callback || typeof values === 'function') {
          return super.query(text, values, callback);
        }
        begin(text, values ?? []);
        return super.query(text, values).finally(end);
      }
    };
  }

  #begin(text: string, values: unknown[]): void {
    const name = this.#names.get(text) ?? `floor_${this.#names.size}`;
    this.#names.set(text, name);
    const wave = this.#running === 0 ? undefined : this.waves.at(-1);
    if (wave) wave.push({ name, text, values });
    else this.waves.push([{ name, text, values }]);
    this.#running += 1;
  }
}

/** Replays the statements of a mutation on one connection, with a new key and new ids. */
async function replayOnce(pool: pg.Pool, { waves, unique, made }: Recorded): Promise<void> {
  const fresh = new Map<unknown, unknown>([
    [unique, randomUUID()],
    ...made.map((id) => [id, randomUUID()] as const),
  ]);
  const client = await pool.connect();
  try {
    for (const { name, text, values } of waves.flat()) {
      await client.query({ name, text, values: values.map((value) => fresh.get(value) ?? value) });
    }
  } finally {
    client.release();
  }
}

/** Ids that a mutation has generated: ids in its INSERTs that its variables do not contain. */
function madeIds(statements: Statement[], variables: object): unknown[] {
  const given = [...JSON.stringify(variables).matchAll(/"([\w-]{30,})"/g)].map(([, id]) =>
    Buffer.from(id ?? '', 'base64url').toString('utf8'),
  );
  const inserts = statements.filter(({ text }) => /^\s*INSERT/i.test(text));
  const ids = inserts.flatMap(({ values }) => values.filter((value) => UUID.test(String(value))));
  return [...new Set(ids)].filter((id) => !given.some((text) => text.endsWith(String(id))));
}
