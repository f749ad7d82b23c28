/**
 * Creates and updates random rows of the whole table, and compares every row with a model: a copy of the table, to
 * which each write is applied as the version that served it must have stored it.
 */
import { Client } from 'pg';
import { MOVE, WRITE } from './split/images.js';
import { type ModelRow, rowAfterWrite } from './split/row-model.js';
import { globalId, uuidOf, type Writer, Writers } from './writers.js';

const SNAPSHOT = `
  DROP SCHEMA IF EXISTS story_model CASCADE;
  CREATE SCHEMA story_model;
  CREATE UNLOGGED TABLE story_model.rows AS
    SELECT id, name, repository, repository_url AS url, repository_branch AS branch FROM services;
  ALTER TABLE story_model.rows ADD PRIMARY KEY (id);
  VACUUM ANALYZE story_model.rows`;
const PICK = `
  SELECT id, name, repository, url, branch FROM story_model.rows WHERE id >= $1 AND id <= $2 ORDER BY id LIMIT 1`;
const APPLY = `
  INSERT INTO story_model.rows (id, name, repository, url, branch)
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
  ON CONFLICT (id) DO UPDATE SET (name, repository, url, branch) = (excluded.name, excluded.repository, excluded.url, excluded.branch)`;
const COMPARE = `
  SELECT count(*)::int AS rows,
         count(*) FILTER (WHERE s.id IS NULL)::int AS lost,
         count(*) FILTER (WHERE m.id IS NULL)::int AS unknown,
         count(*) FILTER (WHERE s.id = m.id AND (s.name, s.repository, s.repository_url, s.repository_branch)
                          IS DISTINCT FROM (m.name, m.repository, m.url, m.branch))::int AS stale
  FROM services s FULL JOIN story_model.rows m ON m.id = s.id`;

/** One write of this many creates a row. */
const CREATE_EVERY = 10;
/** One write of this many removes the value. */
const NULL_EVERY = 25;

export interface Comparison {
  rows: number;
  /** Rows that are missing in the table. */
  lost: number;
  /** Rows that nothing has written. */
  unknown: number;
  /** Rows that differ in a column of version 1 or 2. */
  stale: number;
}

export class ModelWriters extends Writers {
  private readonly rows = new Map<string, ModelRow>();

  /** Copies the table. Nothing else may write it until {@link compare}. */
  async snapshot(): Promise<void> {
    await this.withClient(async (client) => {
      for (const statement of SNAPSHOT.split(';')) await client.query(statement);
    });
  }

  get writtenRows(): number {
    return this.rows.size;
  }

  /** Compares all rows, after {@link stop}. */
  async compare(): Promise<Comparison> {
    return this.withClient(async (client) => {
      const rows = [...this.rows.values()];
      const column = (key: keyof ModelRow) => rows.map((row) => row[key]);
      const columns = (['name', 'repository', 'url', 'branch'] as const).map(column);
      await client.query(APPLY, [[...this.rows.keys()], ...columns]);
      const { rows: found } = await client.query<Comparison>(COMPARE);
      await client.query('DROP SCHEMA story_model CASCADE');
      return found[0]!;
    });
  }

  protected override async write(writer: Writer): Promise<void> {
    const { count, name } = writer;
    if (count % CREATE_EVERY === 0) return this.create(writer);
    const picked = await this.pick(writer);
    if (!picked) return;
    const { id, row } = picked;
    const repository = count % NULL_EVERY === 0 ? null : `https://git.example.com/${name}/${count}`;
    const response = await this.mutate(MOVE, { id: globalId(id), repository }, writer);
    if (response) this.rows.set(id, rowAfterWrite(response.version, row, repository));
  }

  private async create(writer: Writer): Promise<void> {
    const name = `story-${writer.name}-${writer.count}`;
    const repository = `https://git.example.com/${name}`;
    const response = await this.mutate<{ createService: { id: string } }>(
      WRITE,
      { name, repository },
      writer,
    );
    if (!response) return;
    const id = uuidOf(response.data.createService.id);
    this.rows.set(id, rowAfterWrite(response.version, { name, branch: null }, repository));
  }

  /** A random row. Each writer has its own range of keys, so that the order of the writes of a row is known. */
  private async pick({ index, database }: Writer): Promise<{ id: string; row: ModelRow } | undefined> {
    const share = 16 / Writers.count;
    const digit = (value: number) => Math.floor(value).toString(16);
    const from = `${digit(share * (index + Math.random()))}${crypto.randomUUID().slice(1)}`;
    const to = `${digit(share * (index + 1) - 1)}fffffff-ffff-ffff-ffff-ffffffffffff`;
    const { rows } = await database.query<ModelRow & { id: string }>(PICK, [from, to]);
    const [found] = rows;
    if (!found) return undefined;
    const { id, ...row } = found;
    return { id, row: this.rows.get(id) ?? row };
  }

  private async withClient<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client({ connectionString: this.databaseUrl });
    await client.connect();
    return work(client).finally(() => client.end());
  }
}
