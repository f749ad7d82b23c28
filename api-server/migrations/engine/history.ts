/** The migration history in the database: TypeORM's table with additional columns. */
import type { QueryRunner } from 'typeorm';
import { sqlState } from '../../database/pool/connection-errors.js';
import { isComparable } from './checksum.js';
import { incompatibilityOf } from './compatibility.js';
import { type KnownMigration, timestampOf } from './known-migrations.js';
import { RefusedError } from './refused-error.js';
import { MIGRATIONS_TABLE } from './table.js';

const UNDEFINED_TABLE = '42P01';
/** Columns in addition to those of TypeORM. */
const COLUMNS = [
  ['checksum', 'text'],
  ['phase', 'text'],
  ['requires', 'text'],
  ['until', 'text'],
  ['applied_at', 'timestamptz'],
] as const;

export interface Applied {
  /** Increases in the order in which migrations were applied. */
  id?: number;
  name: string;
  checksum?: string | null;
  requires?: string | null;
  until?: string | null;
}

export async function createHistory(runner: QueryRunner): Promise<void> {
  // The same definition as TypeORM's, so that databases of older images remain compatible.
  await runner.query(
    `CREATE TABLE IF NOT EXISTS ${MIGRATIONS_TABLE} (id serial PRIMARY KEY, "timestamp" bigint NOT NULL, name varchar NOT NULL)`,
  );
  const [{ complete }] = await runner.query(
    `SELECT count(*) = ${COLUMNS.length} AS complete FROM pg_attribute WHERE attrelid = '${MIGRATIONS_TABLE}'::regclass AND NOT attisdropped AND attname = ANY($1)`,
    [COLUMNS.map(([name]) => name)],
  );
  if (complete) return; // ALTER TABLE waits for all readers of the table, even if it changes nothing
  const added = COLUMNS.map(([name, type]) => `ADD COLUMN IF NOT EXISTS ${name} ${type}`);
  await runner.query(`ALTER TABLE ${MIGRATIONS_TABLE} ${added.join(', ')}`);
}

/** Oldest first. Empty if the table does not exist. */
export async function readHistory(runner: QueryRunner): Promise<Applied[]> {
  try {
    return await runner.query(`SELECT * FROM ${MIGRATIONS_TABLE} ORDER BY "timestamp"`);
  } catch (error) {
    if (sqlState(error) === UNDEFINED_TABLE) return [];
    throw error;
  }
}

export async function recordApplied(runner: QueryRunner, migration: KnownMigration): Promise<void> {
  const { name, checksum, phase, requires, until } = migration;
  await runner.query(
    `INSERT INTO ${MIGRATIONS_TABLE} ("timestamp", name, checksum, phase, requires, until, applied_at) VALUES ($1, $2, $3, $4, $5, $6, now())`,
    [timestampOf(migration), name, checksum, phase, requires ?? null, until ?? null],
  );
}

/** After a restore the migration is pending. */
export async function removeApplied(runner: QueryRunner, name: string): Promise<void> {
  await runner.query(`DELETE FROM ${MIGRATIONS_TABLE} WHERE name = $1`, [name]);
}

/** Throws a `RefusedError` if an applied migration has changed, or if it does not support this version. */
export function checkHistory(applied: Applied[], known: KnownMigration[], version: string): void {
  const byName = new Map(known.map((one) => [one.name, one]));
  for (const { name, checksum } of applied) {
    const migration = byName.get(name);
    if (migration && isComparable(checksum) && checksum !== migration.checksum) {
      throw new RefusedError(
        `${name} was changed after it was applied to this database; undo the change and write a new migration`,
      );
    }
  }
  const reason = incompatibilityOf(version, applied);
  if (reason) throw new RefusedError(reason);
}

/**
 * Records the checksums of migrations that an older image applied with none, or with those of an earlier
 * algorithm.
 */
export async function adoptChecksums(
  runner: QueryRunner,
  applied: Applied[],
  known: KnownMigration[],
): Promise<void> {
  const without = new Set(applied.filter(({ checksum }) => !isComparable(checksum)).map(({ name }) => name));
  for (const { name, checksum, phase, requires, until } of known.filter((one) => without.has(one.name))) {
    await runner.query(
      `UPDATE ${MIGRATIONS_TABLE} SET checksum = $2, phase = $3, requires = $4, until = $5 WHERE name = $1`,
      [name, checksum, phase, requires ?? null, until ?? null],
    );
  }
}
