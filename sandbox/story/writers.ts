/** Concurrent clients that write rows through the gateway, each with its own identity and database connection. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { sandboxToken } from '../tokens.js';
import { type Load, newSample, type Sample } from './load.js';

const WRITERS = 4;
const PAUSE_MS = 20;

/** One of the concurrent clients. */
export interface Writer {
  /** 0 to {@link WRITERS} - 1. */
  index: number;
  name: string;
  /** Connection for reading the rows to write. */
  database: Client;
  headers: Record<string, string>;
  /** Number of the write, from 1. */
  count: number;
}

export abstract class Writers {
  protected static readonly count = WRITERS;
  private current = newSample();
  private readonly stopping = new AbortController();
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly load: Load,
    protected readonly databaseUrl: string,
  ) {}

  /** Whether the writers write yet. */
  protected isReady(_database: Client): Promise<boolean> {
    return Promise.resolve(true);
  }

  /** Writes one row. */
  protected abstract write(writer: Writer): Promise<void>;

  get sample(): Sample {
    return this.current;
  }

  /** Returns the sample since the last call, and starts a new one. */
  takeSample(): Sample {
    const taken = this.current;
    this.current = newSample();
    return taken;
  }

  start(): void {
    const note = (error: Error) => void this.current.failures.push(error.message);
    this.running = Promise.all(Array.from({ length: WRITERS }, (_, index) => this.work(index).catch(note)));
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** Sends a mutation, and adds it to the sample. Undefined if it failed. */
  protected async mutate<T>(
    mutation: string,
    variables: object,
    { headers }: Writer,
  ): Promise<{ data: T; version: string } | undefined> {
    const startedAt = performance.now();
    try {
      const response = await this.load.graphql<T>(mutation, variables, headers);
      const { served, latencies } = this.current;
      served[response.version] = (served[response.version] ?? 0) + 1;
      latencies.push(performance.now() - startedAt);
      return response;
    } catch (error) {
      this.current.failures.push((error as Error).message);
      return undefined;
    }
  }

  private async work(index: number): Promise<void> {
    const name = `writer-${index}`;
    const database = new Client({ connectionString: this.databaseUrl, application_name: name });
    await database.connect();
    try {
      const headers = { authorization: `Bearer ${await sandboxToken(name, 'OPERATOR')}` };
      while (!this.stopping.signal.aborted && !(await this.isReady(database))) await sleep(PAUSE_MS);
      for (let count = 1; !this.stopping.signal.aborted; count++) {
        await this.write({ index, name, database, headers, count });
        await sleep(PAUSE_MS);
      }
    } finally {
      await database.end();
    }
  }
}

/** The global ID of a service. */
export function globalId(uuid: string): string {
  return Buffer.from(`Service:${uuid}`).toString('base64url');
}

/** The key of a service in the database. */
export function uuidOf(id: string): string {
  return Buffer.from(id, 'base64url').toString().replace('Service:', '');
}
