/** Measures how long requests wait for locks, according to PostgreSQL. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';

const EVERY_MS = 10;

/** Without the waits of the migrations themselves, which give way after `lock_timeout`. */
const LONGEST = `
  SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart)) * 1000, 0)::float8 AS ms
  FROM pg_locks l JOIN pg_stat_activity a USING (pid)
  WHERE NOT l.granted AND l.waitstart IS NOT NULL AND a.query ~* '^\\s*(select|with|insert|update|delete)'
    AND a.application_name NOT LIKE 'pcf-api migrate%'`;

export class LockWaits {
  longestMs = 0;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly databaseUrl: string) {}

  start(): void {
    this.running = this.watch();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async watch(): Promise<void> {
    const client = new Client({ connectionString: this.databaseUrl });
    await client.connect();
    try {
      while (!this.stopping.signal.aborted) {
        const { rows } = await client.query<{ ms: number }>(LONGEST);
        this.longestMs = Math.max(this.longestMs, rows[0]?.ms ?? 0);
        await sleep(EVERY_MS);
      }
    } finally {
      await client.end();
    }
  }
}
