/** Rows for the backfill of the story, as version 1 writes them. */
import { Client } from 'pg';

/** Returns how long it took, in milliseconds. Statistics are brought up to date, so that the backfill knows how much there is. */
export async function seedServices(databaseUrl: string, count: number): Promise<number> {
  const startedAt = performance.now();
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(
      `INSERT INTO services (id, name, repository)
       SELECT gen_random_uuid(), 'service-' || n, 'https://git.example.com/acme/service-' || n || '#main'
       FROM generate_series(1, $1::int) AS n`,
      [count],
    );
    await client.query('VACUUM ANALYZE services');
  } finally {
    await client.end();
  }
  return performance.now() - startedAt;
}
