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
  /** CPU time of the server per request, in µs. Unlike the rate, it hardly depends on other load of the machine. */
  cpu: number;
}

/** Long enough for V8 to optimize each subject, because servers run for days. */
const WARM = { connections: 64, seconds: 4 };

/** Sends requests until V8 has optimized the server's code. */
export async function warm(subject: Subject, query: BenchQuery): Promise<void> {
  await run(subject, query, WARM.connections, WARM.seconds);
}

/** The round with the least disturbance. */
export function best(rounds: readonly Measured[]): Measured {
  const [first, ...others] = [...rounds].sort((a, b) => b.perSecond - a.perSecond);
  if (!first) throw new Error('nothing was measured');
  return { ...first, cpu: Math.min(first.cpu, ...others.map(({ cpu }) => cpu)) };
}

/** Sends each request directly after the previous response. Throws if one fails. */
export async function measure(
  subject: Subject,
  query: BenchQuery,
  connections: number,
  seconds: number,
): Promise<Measured> {
  const before = subject.cpu();
  const { result, times } = await run(subject, query, connections, seconds);
  return {
    perSecond: result.requests.average,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    memory: subject.memory(),
    cpu: (subject.cpu() - before) / result.requests.total,
  };
}

async function run(subject: Subject, query: BenchQuery, connections: number, seconds: number) {
  const options: autocannon.Options = {
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
  };
  // Exact times, because the histogram of autocannon counts whole milliseconds.
  const times: number[] = [];
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const running = autocannon(options, (error, done) => (error ? reject(error) : resolve(done)));
    running.on('response', (_client, _status, _bytes, ms) => void times.push(ms));
  });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(
      `${subject.name}, ${query.name}: ${result.non2xx} responses were not 2xx, ${result.errors} errors`,
    );
  }
  return { result, times: Float64Array.from(times).sort() };
}

/** Nearest-rank quantile. */
function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Sends one request to a subject. */
export async function sendQuery(
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
