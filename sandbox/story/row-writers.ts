/**
 * Writes rows that a backfill is about to update: those after its cursor, which its batch locks. Random rows
 * of a large table would rarely conflict with it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { sandboxToken } from '../tokens.js';
import type { Load, Sample } from './load.js';

const UPDATE =
  'mutation Move($id: ID!, $repository: String!) { updateService(input: { id: $id, repository: $repository }) { repository } }';
const WRITERS = 4;
const PAUSE_MS = 20;
/** A batch can have some thousands of rows. */
const NEAR = 2_000;

/** The first run of a backfill creates the table. */
const IS_STARTED = "SELECT to_regclass('schema_backfills') IS NOT NULL AS started";
/** The next rows of a backfill in its order. */
const NEXT_ROWS = `
  SELECT id FROM services
  WHERE id > coalesce((SELECT cursor FROM schema_backfills WHERE name = $1), '00000000-0000-0000-0000-000000000000')::uuid
  ORDER BY id LIMIT $2`;

export class RowWriters {
  readonly sample: Sample = { served: {}, faults: {}, failures: [], latencies: [] };
  /** Last written value by row id. */
  readonly written = new Map<string, string>();
  private readonly stopping = new AbortController();
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly load: Load,
    private readonly databaseUrl: string,
    private readonly backfill: string,
  ) {}

  start(): void {
    const note = (error: Error) => void this.sample.failures.push(error.message);
    const writers = Array.from({ length: WRITERS }, (_, index) => this.work(`writer-${index}`).catch(note));
    this.running = Promise.all(writers);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async work(name: string): Promise<void> {
    const client = new Client({ connectionString: this.databaseUrl, application_name: name });
    await client.connect();
    const authorization = `Bearer ${await sandboxToken(name, 'OPERATOR')}`;
    try {
      const isStarted = async () => (await client.query<{ started: boolean }>(IS_STARTED)).rows[0]?.started;
      while (!this.stopping.signal.aborted && !(await isStarted())) await sleep(PAUSE_MS);
      for (let count = 1; !this.stopping.signal.aborted; count++) {
        const { rows } = await client.query<{ id: string }>(NEXT_ROWS, [this.backfill, NEAR]);
        const row = rows[Math.floor(Math.random() * rows.length)];
        if (row) await this.write(row.id, `https://git.example.com/${name}/${count}#main`, { authorization });
        await sleep(PAUSE_MS);
      }
    } finally {
      await client.end();
    }
  }

  private async write(uuid: string, repository: string, headers: Record<string, string>): Promise<void> {
    const { served, latencies, failures } = this.sample;
    const id = Buffer.from(`Service:${uuid}`).toString('base64url');
    const startedAt = performance.now();
    try {
      const { version } = await this.load.graphql(UPDATE, { id, repository }, headers);
      served[version] = (served[version] ?? 0) + 1;
      latencies.push(performance.now() - startedAt);
      this.written.set(uuid, repository);
    } catch (error) {
      failures.push((error as Error).message);
    }
  }
}
