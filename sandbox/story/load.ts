/** Constant load through the gateway, counted by the revision that responded. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { HEADERS, PATHS } from '../../contract/image.js';

export interface Sample {
  /** Requests by responding version. */
  served: Record<string, number>;
  /** Requests with intended errors of a faulty version, by version. */
  faults: Record<string, number>;
  failures: string[];
  /** Latencies in milliseconds. */
  latencies: number[];
}

export interface LoadOptions {
  port: number;
  host: string;
  caPath: string;
  query: string;
  /** Versions with intended errors, which are counted separately. */
  faulty?: readonly string[];
  workers?: number;
  /** Headers of every request. */
  headers?: Record<string, string>;
  /** Token of a worker. Each worker is a separate client with its own rate limit. */
  token?: (client: string) => Promise<string>;
  /** Pause of each worker between two requests. */
  pauseMs?: number;
}

/**
 * Enough responses for a share within two percentage points, on machines of any speed: up to eight requests that started
 * in the sample have no response at its end.
 */
export const FOR_SHARES = 250;
const LONGER_MS = 60_000;

/** A response with GraphQL errors and HTTP status 200. */
class GraphqlError extends Error {
  constructor(
    readonly version: string,
    errors: { message: string }[],
  ) {
    super(`GraphQL, of ${version}: ${errors.map(({ message }) => message).join('; ')}`);
  }
}

export class Load {
  private readonly pool: Pool;
  private readonly stopping = new AbortController();
  private current = newSample();
  private running: Promise<void>[] = [];
  /** Sample of the whole run. */
  readonly total = newSample();

  constructor(private readonly options: LoadOptions) {
    this.pool = new Pool(`https://127.0.0.1:${options.port}`, {
      connect: { ca: readFileSync(options.caPath, 'utf8'), servername: options.host },
      connections: 16,
    });
  }

  start(): void {
    const { workers = 8 } = this.options;
    this.running = Array.from({ length: workers }, (_, index) => this.work(`load-${index}`));
  }

  /** Samples the responses for a duration, and up to a minute longer until there are `atLeast`. */
  async sample(durationMs: number, atLeast = 0): Promise<Sample> {
    const enough = async () => {
      await sleep(durationMs);
      const sample = this.current;
      const deadline = performance.now() + LONGER_MS;
      while (responses(sample) < atLeast && performance.now() < deadline) await sleep(20);
    };
    return this.sampleUntil(enough());
  }

  /** Samples the responses until `end`. */
  async sampleUntil(end: Promise<unknown>): Promise<Sample> {
    this.current = newSample();
    const sample = this.current;
    await end;
    this.current = newSample();
    return sample;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.running);
    await this.pool.close();
  }

  /** Sends a GraphQL request; throws without data. */
  async graphql<T>(
    query: string,
    variables: object = {},
    headers: Record<string, string> = {},
  ): Promise<{ data: T; version: string }> {
    const credentials = headers.authorization ? {} : await this.credentials('story');
    const response = await this.pool.request({
      path: PATHS.graphql,
      method: 'POST',
      headers: { host: this.options.host, 'content-type': 'application/json', ...credentials, ...headers },
      body: JSON.stringify({ query, variables }),
      headersTimeout: 10_000,
    });
    const text = await response.body.text();
    if (response.statusCode !== 200)
      throw new Error(`HTTP ${response.statusCode}: ${text.slice(0, 200).trim()}`);
    const { data, errors } = JSON.parse(text) as { data: T; errors?: { message: string }[] };
    const version = String(response.headers[HEADERS.version] ?? 'unknown');
    if (errors) throw new GraphqlError(version, errors);
    return { data, version };
  }

  /** An intended error of a faulty version is not a failure of the delivery. */
  private note(error: Error, { faults, failures }: Sample): void {
    if (error instanceof GraphqlError && this.options.faulty?.includes(error.version)) {
      faults[error.version] = (faults[error.version] ?? 0) + 1;
    } else {
      failures.push(`${new Date().toISOString().slice(11, 23)} ${error.message}`);
    }
  }

  private async credentials(client: string): Promise<Record<string, string>> {
    const token = await this.options.token?.(client);
    return token ? { authorization: `Bearer ${token}` } : {};
  }

  private async work(client: string): Promise<void> {
    const { pauseMs = 40, query } = this.options;
    const headers = { ...(await this.credentials(client)), ...this.options.headers };
    while (!this.stopping.signal.aborted) {
      const counters = [this.current, this.total];
      try {
        const startedAt = performance.now();
        const { version } = await this.graphql(query, {}, headers);
        const tookMs = performance.now() - startedAt;
        for (const { served, latencies } of counters) {
          served[version] = (served[version] ?? 0) + 1;
          latencies.push(tookMs);
        }
      } catch (error) {
        for (const sample of counters) this.note(error as Error, sample);
      }
      await sleep(pauseMs);
    }
  }
}

/** `1.0.0 90.1 %, 1.1.0 9.9 %` */
export function shares({ served }: Sample): string {
  const total = sum(served);
  const parts = Object.entries(served).sort(([a], [b]) => a.localeCompare(b));
  return parts
    .map(([version, requests]) => `${version} ${((100 * requests) / total).toFixed(1)} %`)
    .join(', ');
}

/** p99 latency in milliseconds. */
export function p99({ latencies }: Sample): number {
  const sorted = latencies.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? 0;
}

export function newSample(): Sample {
  return { served: {}, faults: {}, failures: [], latencies: [] };
}

export function count({ served }: Sample): number {
  return sum(served);
}

function responses(sample: Sample): number {
  return count(sample) + faultCount(sample) + sample.failures.length;
}

/** Requests with intended errors of faulty versions. */
export function faultCount({ faults }: Pick<Sample, 'faults'>): number {
  return sum(faults);
}

function sum(byVersion: Record<string, number>): number {
  return Object.values(byVersion).reduce((total, requests) => total + requests, 0);
}
