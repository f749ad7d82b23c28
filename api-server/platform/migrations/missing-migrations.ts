import { sqlState } from '../database/connection-errors.js';
import type { WatchConnection } from '../database/watch-connection.js';
import type { KnownMigration } from './known-migrations.js';
import { MIGRATIONS_TABLE } from './table.js';

const UNDEFINED_TABLE = '42P01';

/**
 * What the database lacks for this image to run: its `expand` migrations. Backfill
 * and contract come after the traffic has moved. A database that is ahead is fine.
 */
export async function missingMigrations(
  connection: WatchConnection,
  known: KnownMigration[],
): Promise<string[]> {
  const rows = await connection.query(`SELECT name FROM ${MIGRATIONS_TABLE}`).catch((error: unknown) => {
    if (sqlState(error) === UNDEFINED_TABLE) return [];
    throw error;
  });
  const present = new Set(rows.map(({ name }) => name));
  return known.filter(({ name, phase }) => phase === 'expand' && !present.has(name)).map(({ name }) => name);
}
