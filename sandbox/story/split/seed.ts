/** Inserts rows for the backfill, in the format of version 1. */
import { Client } from 'pg';

/**
 * Returns the duration in milliseconds. Updates statistics, so that the backfill has an estimate of its rows.
 */
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
