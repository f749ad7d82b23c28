/** Clients of the API: constant load, counted by the version that answered. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, type Dispatcher, request } from 'undici';
import { HEADERS, PATHS } from '../../contract/image.js';

export interface Target {
  /** `http://address:port` */
  url: string;
  headers?: Record<string, string>;
  /** Trusted certificate of an `https` target, PEM. */
  ca?: string;
}

export interface Answer {
  status: number;
  version: string;
  text: string;
}

const BODY = JSON.stringify({ query: '{ services(first: 1) { edges { node { name } } } }' });

/** One GraphQL query. */
export async function ask({ url, headers }: Target, dispatcher?: Dispatcher): Promise<Answer> {
  const response = await request(`${url}${PATHS.graphql}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: BODY,
    headersTimeout: 10_000,
    dispatcher,
  });
  const text = await response.body.text();
  return { status: response.statusCode, version: String(response.headers[HEADERS.version]), text };
}

/** Counts of one lane since its last reading. */
export interface Counts {
  /** Requests by version. */
  served: Record<string, number>;
  failures: string[];
}

/** Lanes of load. A lane has one target and its own workers. */
export class Lanes {
  private readonly stopping = new AbortController();
  private readonly workers: Promise<void>[] = [];
  private readonly counts = new Map<string, Counts>();
  private readonly totals = new Map<string, Counts>();

  /** Adds a lane. Each request opens a connection, unless `keepAlive`. */
  add(name: string, target: Target, { workers = 2, pauseMs = 40, keepAlive = false } = {}): void {
    this.counts.set(name, newCounts());
    this.totals.set(name, newCounts());
    for (let index = 0; index < workers; index++)
      this.workers.push(this.work(name, target, pauseMs, keepAlive));
  }

  /** Resets the counts, and returns those of each lane after this duration. */
  async sample(durationMs: number): Promise<Record<string, Counts>> {
    for (const name of this.counts.keys()) this.counts.set(name, newCounts());
    await sleep(durationMs);
    return Object.fromEntries([...this.counts].map(([name, counts]) => [name, structuredClone(counts)]));
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.workers);
  }

  /** Failures of all lanes since the last call. */
  takeFailures(): string[] {
    return [...this.totals].flatMap(([name, { failures }]) =>
      failures.splice(0).map((text) => `${name}: ${text}`),
    );
  }

  private async work(name: string, target: Target, pauseMs: number, keepAlive: boolean): Promise<void> {
    const agent = new Agent({ pipelining: keepAlive ? 1 : 0, connections: 1, connect: { ca: target.ca } });
    while (!this.stopping.signal.aborted) {
      const problem = await ask(target, agent).then(
        ({ status, version, text }) => {
          if (status !== 200 || text.includes('"errors"')) return `HTTP ${status} ${text.slice(0, 200)}`;
          for (const { served } of this.both(name)) served[version] = (served[version] ?? 0) + 1;
          return undefined;
        },
        (error: Error) => error.message || error.name,
      );
      if (problem)
        for (const { failures } of this.both(name))
          failures.push(`${new Date().toISOString().slice(11, 23)} ${problem}`);
      await sleep(pauseMs);
    }
    await agent.close();
  }

  private both(name: string): Counts[] {
    return [this.counts.get(name)!, this.totals.get(name)!];
  }
}

function newCounts(): Counts {
  return { served: {}, failures: [] };
}

/** Share of one version, in percent. */
export function share({ served }: Counts, version: string): number {
  const total = Object.values(served).reduce((sum, count) => sum + count, 0);
  return (100 * (served[version] ?? 0)) / total;
}

/** `1.0.0: 90, 1.1.0: 10` */
export function format({ served }: Counts): string {
  return Object.entries(served)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([version, count]) => `${version}: ${count}`)
    .join(', ');
}
