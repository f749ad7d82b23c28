/** What each server needs in production besides GraphQL: token verification, and a histogram of durations. */
import { jwtVerify } from 'jose';
import { Histogram, Registry } from 'prom-client';

export class Guard {
  readonly #key: Uint8Array;
  readonly #duration = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Duration of HTTP requests in seconds, by status.',
    labelNames: ['status'] as const,
    registers: [new Registry()],
  });

  constructor(secret: string) {
    this.#key = new TextEncoder().encode(secret);
  }

  /** Rejects without a valid token. */
  async admit(authorization: string | undefined): Promise<void> {
    const [, token = ''] = /^Bearer (\S+)$/.exec(authorization ?? '') ?? [];
    await jwtVerify(token, this.#key, { algorithms: ['HS256'], issuer: 'pcf-api', audience: 'pcf-api' });
  }

  /** @param ms duration of the request */
  observe(status: number, ms: number): void {
    this.#duration.observe({ status: String(status) }, ms / 1_000);
  }
}
