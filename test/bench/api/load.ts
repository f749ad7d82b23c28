import { randomUUID } from 'node:crypto';
import autocannon from 'autocannon';
import type { BenchQuery } from './queries.js';
import type { Subject } from './subjects.js';

export interface Measured {
  perSecond: number;
  /** ms */
  p50: number;
  p99: number;
  /** MB */
  memory: number;
  /** Processor time of the server for each request, in µs. Unlike the rate it hardly depends on what else the machine does. */
  cpu: number;
}

/** Lets a server's compiler see what is coming. */
export async function warm(subject: Subject, query: BenchQuery, connections: number): Promise<void> {
  await run(subject, query, connections, 1);
}

/** Of several rounds the one that was disturbed least. */
export function best(rounds: readonly Measured[]): Measured {
  const [first, ...others] = [...rounds].sort((a, b) => b.perSecond - a.perSecond);
  if (!first) throw new Error('nothing was measured');
  return { ...first, cpu: Math.min(first.cpu, ...others.map(({ cpu }) => cpu)) };
}

/** Asks as fast as answers come, and throws when one is not right. */
export async function measure(
  subject: Subject,
  query: BenchQuery,
  connections: number,
  seconds: number,
): Promise<Measured> {
  const before = subject.cpu();
  const result = await run(subject, query, connections, seconds);
  const { p50, p99 } = result.latency;
  // autocannon counts whole milliseconds; with one connection the rate tells more than that.
  const each = (1_000 * connections) / result.requests.average;
  return {
    perSecond: result.requests.average,
    p50: p50 > 2 ? p50 : Math.min(each, p50 + 1),
    p99,
    memory: subject.memory(),
    cpu: (subject.cpu() - before) / result.requests.total,
  };
}

async function run(subject: Subject, query: BenchQuery, connections: number, seconds: number) {
  const result = await autocannon({
    url: subject.url,
    connections,
    duration: seconds,
    requests: [
      {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...subject.headers },
        body: bodyOf(query),
        ...(query.unique && { setupRequest: (request) => ({ ...request, body: bodyOf(query) }) }),
      },
    ],
  });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(
      `${subject.name}, ${query.name}: ${result.non2xx} answers were no 2xx, ${result.errors} errors`,
    );
  }
  return result;
}

/** What a subject answers to one request. */
export async function ask(
  subject: Subject,
  query: BenchQuery,
): Promise<{ data?: unknown; errors?: unknown }> {
  const response = await fetch(subject.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...subject.headers },
    body: bodyOf(query),
  });
  return (await response.json()) as { data?: unknown; errors?: unknown };
}

function bodyOf({ query, variables, unique }: BenchQuery): string {
  const body = JSON.stringify({ query, variables });
  return unique ? body.replaceAll(unique, randomUUID()) : body;
}
