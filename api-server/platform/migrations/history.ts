/** The database's own list of what was applied. TypeORM's table, with what it lacks. */
import type { QueryRunner } from 'typeorm';
import { sqlState } from '../database/connection-errors.js';
import { type KnownMigration, timestampOf } from './known-migrations.js';
import { RefusedError } from './refused-error.js';
import { MIGRATIONS_TABLE } from './table.js';

const UNDEFINED_TABLE = '42P01';

export interface Applied {
  name: string;
  checksum?: string | null;
  requires?: string | null;
}

export async function createHistory(runner: QueryRunner): Promise<void> {
  // The shape TypeORM gives it, so that a database of an older image goes on as it is.
  await runner.query(
    `CREATE TABLE IF NOT EXISTS ${MIGRATIONS_TABLE} (id serial PRIMARY KEY, "timestamp" bigint NOT NULL, name varchar NOT NULL)`,
  );
  const [missing] = await runner.query(
    `SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = '${MIGRATIONS_TABLE}'::regclass AND attname = 'applied_at')`,
  );
  if (!missing) return; // ALTER TABLE would wait for whoever reads it, even to do nothing
  await runner.query(
    `ALTER TABLE ${MIGRATIONS_TABLE} ADD COLUMN checksum text, ADD COLUMN phase text, ADD COLUMN requires text, ADD COLUMN applied_at timestamptz`,
  );
}

/** Oldest first; nothing when the database has no list yet. */
export async function readHistory(runner: QueryRunner): Promise<Applied[]> {
  try {
    return await runner.query(`SELECT * FROM ${MIGRATIONS_TABLE} ORDER BY "timestamp"`);
  } catch (error) {
    if (sqlState(error) === UNDEFINED_TABLE) return [];
    throw error;
  }
}

export async function recordApplied(runner: QueryRunner, migration: KnownMigration): Promise<void> {
  const { name, checksum, phase, requires } = migration;
  await runner.query(
    `INSERT INTO ${MIGRATIONS_TABLE} ("timestamp", name, checksum, phase, requires, applied_at) VALUES ($1, $2, $3, $4, $5, now())`,
    [timestampOf(migration), name, checksum, phase, requires ?? null],
  );
}

/** Refuses what no second try can mend: an applied migration that has changed, an image that is too old. */
export function checkHistory(applied: Applied[], known: KnownMigration[], version: string): void {
  const byName = new Map(known.map((one) => [one.name, one]));
  for (const { name, checksum, requires } of applied) {
    const migration = byName.get(name);
    if (migration && checksum && checksum !== migration.checksum) {
      throw new RefusedError(
        `${name} was changed after it was applied to this database; undo the change and write a new migration`,
      );
    }
    if (!migration && requires && isOlder(version, requires)) {
      throw new RefusedError(
        `the database is ahead: ${name} was applied, which needs version ${requires} or newer; this image is ${version}`,
      );
    }
  }
}

/** Migrations applied by an image that recorded no checksums get today's. */
export async function adoptChecksums(
  runner: QueryRunner,
  applied: Applied[],
  known: KnownMigration[],
): Promise<void> {
  const without = new Set(applied.filter(({ checksum }) => !checksum).map(({ name }) => name));
  for (const { name, checksum, phase, requires } of known.filter((one) => without.has(one.name))) {
    await runner.query(
      `UPDATE ${MIGRATIONS_TABLE} SET checksum = $2, phase = $3, requires = $4 WHERE name = $1 AND checksum IS NULL`,
      [name, checksum, phase, requires ?? null],
    );
  }
}

function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split(/[.-]/).slice(0, 3).map(Number));
  for (const index of [0, 1, 2]) {
    const difference = (a?.[index] ?? 0) - (b?.[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
