import { version } from '../../config/version.js';
import { sqlState } from '../../database/pool/connection-errors.js';
import type { WatchConnection } from '../../database/pool/watch-connection.js';
import { incompatibilityOf, type VersionBounds } from './compatibility.js';
import type { KnownMigration } from './known-migrations.js';
import { MIGRATIONS_TABLE } from './table.js';

const UNDEFINED_TABLE = '42P01';

/**
 * The reason why this image can't use the database, or undefined: an `expand` migration is missing
 * (backfill and contract run later), or an applied migration does not support this version.
 * A database that is ahead of the image is supported.
 */
export async function schemaMisfit(
  connection: WatchConnection,
  known: KnownMigration[],
): Promise<string | undefined> {
  // to_jsonb, because tables of older images do not have these columns.
  const sql = `SELECT name, to_jsonb(m) ->> 'requires' AS requires, to_jsonb(m) ->> 'until' AS until FROM ${MIGRATIONS_TABLE} m`;
  const rows = await connection.query(sql).catch((error: unknown) => {
    if (sqlState(error) === UNDEFINED_TABLE) return [];
    throw error;
  });
  const present = new Set(rows.map(({ name }) => name));
  const missing = known.filter(({ name, phase }) => phase === 'expand' && !present.has(name));
  if (missing.length > 0) return `missing migrations: ${missing.map(({ name }) => name).join(', ')}`;
  return incompatibilityOf(version(), rows as unknown as VersionBounds[]);
}
