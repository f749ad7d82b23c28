import { version } from '../../config/version.js';
import { sqlState } from '../../database/pool/connection-errors.js';
import type { WatchConnection } from '../../database/pool/watch-connection.js';
import { misfit, type VersionBounds } from './fitness.js';
import type { KnownMigration } from './known-migrations.js';
import { MIGRATIONS_TABLE } from './table.js';

const UNDEFINED_TABLE = '42P01';

/**
 * Why this image can't run on the database, or undefined: it lacks `expand` migrations
 * (backfill and contract come after the traffic has moved), or has one that this version
 * can't live with. A database that is ahead is fine.
 */
export async function schemaMisfit(
  connection: WatchConnection,
  known: KnownMigration[],
): Promise<string | undefined> {
  // By way of JSON: an older record has none of the columns.
  const sql = `SELECT name, to_jsonb(m) ->> 'requires' AS requires, to_jsonb(m) ->> 'until' AS until FROM ${MIGRATIONS_TABLE} m`;
  const rows = await connection.query(sql).catch((error: unknown) => {
    if (sqlState(error) === UNDEFINED_TABLE) return [];
    throw error;
  });
  const present = new Set(rows.map(({ name }) => name));
  const missing = known.filter(({ name, phase }) => phase === 'expand' && !present.has(name));
  if (missing.length > 0) return `missing migrations: ${missing.map(({ name }) => name).join(', ')}`;
  return misfit(version(), rows as unknown as VersionBounds[]);
}
