/** Loads the migrations of this image: all classes in the folder `versions`. */
import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { MigrationInterface } from 'typeorm';
import { z } from 'zod';
import { type MigrationPhase, migrationPhaseSchema } from '../../../contract/image.js';
import { shippedPath } from '../../../contract/shipped-files.js';
import type { RestoreSpec } from '../reversible/restore-expressions.js';
import { checksumOf } from './checksum.js';
import { isOlder } from './compatibility.js';
import { NO_DATABASE, withDriverGate } from './driver-gate.js';
import { type DryRun, dryRun } from './dry-run.js';

export interface KnownMigration {
  /** Class name, which ends in the timestamp. Migrations are ordered by timestamp. */
  name: string;
  phase: MigrationPhase;
  /** False: each statement runs outside of a transaction block, as required by CREATE INDEX CONCURRENTLY. */
  transaction: boolean;
  /** Oldest and newest version of the API that support the migration. */
  requires?: string;
  until?: string;
  /** Checksum of the SQL: an applied migration must not change. */
  checksum: string;
  /** Statements of the migration, as far as they are known without a database. */
  dry: DryRun;
  /** SQL expressions that compute dropped columns, by table and column. See docs/migrations.md. */
  restore?: RestoreSpec;
  migration: new () => MigrationInterface;
}

const FOLDER = 'api-server/migrations/versions';

const versionSchema = z.string().regex(/^\d+\.\d+\.\d+(-[\w.]+)?$/, 'expected a version such as 1.4.0');
const restoreSchema = z.record(z.string(), z.record(z.string(), z.string().min(1)));
const declarationSchema = z.object({
  phase: migrationPhaseSchema,
  transaction: z.boolean().default(true),
  requires: versionSchema.optional(),
  until: versionSchema.optional(),
});

/**
 * Oldest first. Read from the folder and not from a list in the code, so that
 * adding a file to the image adds a migration. Does not load TypeORM.
 */
export async function knownMigrations(
  folder: URL = pathToFileURL(`${shippedPath(FOLDER, import.meta.url)}/`),
): Promise<KnownMigration[]> {
  const files = (await readdir(fileURLToPath(folder))).filter((name) => /\.(js|mjs)$/.test(name)).sort();
  const modules = await Promise.all(files.map((file) => loadMigrations(new URL(file, folder))));
  const found = modules.flat().sort((a, b) => timestampOf(a) - timestampOf(b));
  found.forEach((one, index) => {
    const other = found[index - 1];
    if (other && timestampOf(other) === timestampOf(one)) {
      throw new Error(
        `${other.name} and ${one.name} have the same timestamp, so they have no order: change the newer one's`,
      );
    }
  });
  return found;
}

/** The migrations that a module exports. Its code can't use a database while it is loaded. */
export function loadMigrations(url: URL): Promise<KnownMigration[]> {
  const file = basename(fileURLToPath(url));
  return withDriverGate(NO_DATABASE, undefined, async () => {
    const exported: unknown[] = Object.values((await import(url.href)) as object);
    return Promise.all(exported.filter(isClass).map((migration) => register(migration, file)));
  });
}

async function register(migration: new () => MigrationInterface, file: string): Promise<KnownMigration> {
  const { name } = migration;
  const { phase, transaction, requires, until } = migration as Partial<KnownMigration>;
  const declared = declarationSchema.safeParse({ phase, transaction, requires, until });
  if (!declared.success) {
    const [issue] = declared.error.issues;
    const key = String(issue?.path[0]);
    throw new Error(
      key === 'phase'
        ? `${file}: ${name} must declare its phase: ${migrationPhaseSchema.options.join(', ')}`
        : `${file}: ${name}.${key}: ${issue?.message}`,
    );
  }
  if (!/\d{13}$/.test(name)) throw new Error(`${file}: the name ${name} must end in a 13-digit timestamp`);
  const fileTimestamp = /^(\d{13})-/.exec(file)?.[1];
  if (fileTimestamp && fileTimestamp !== name.slice(-13)) {
    throw new Error(
      `${file}: out of order: its class is ${name}; file and class must have the same timestamp`,
    );
  }
  const { requires: oldest, until: newest } = declared.data;
  if (oldest && newest && isOlder(newest, oldest)) {
    throw new Error(
      `${file}: no version satisfies the bounds of ${name}: requires ${oldest}, until ${newest}`,
    );
  }
  const instance = new migration() as MigrationInterface & { backfill?: unknown; restore?: unknown };
  refuseMismatch(file, name, declared.data.phase, instance);
  const restore = restoreSchema.optional().safeParse(instance.restore);
  if (!restore.success) {
    throw new Error(
      `${file}: ${name}.restore must have an SQL expression per table and column: { services: { owner: 'team' } }`,
    );
  }
  const dry = await dryRun(instance);
  if (instance.backfill && (dry.statements.length > 0 || dry.dynamic)) {
    throw new Error(
      `${file}: ${name} declares a backfill, so its \`up\` never runs and must be empty: move its statements to a migration of phase expand`,
    );
  }
  const checksum = checksumOf(dry, [declared.data.transaction, instance.backfill ?? null], migration);
  if (restore.data && !dry.dynamic) await refuseInvalidRestore(file, name, restore.data, dry);
  return { name, ...declared.data, ...(restore.data && { restore: restore.data }), checksum, dry, migration };
}

function refuseMismatch(
  file: string,
  name: string,
  phase: MigrationPhase,
  { backfill, restore }: { backfill?: unknown; restore?: unknown },
) {
  if (restore && phase !== 'contract') {
    throw new Error(`${file}: ${name} declares \`restore\`, so its phase must be contract, not ${phase}`);
  }
  if (backfill && phase !== 'backfill') {
    throw new Error(`${file}: ${name} declares a backfill, so its phase must be backfill, not ${phase}`);
  }
}

/** Loads the SQL parser on demand, because images have few such migrations. */
async function refuseInvalidRestore(file: string, name: string, restore: RestoreSpec, dry: DryRun) {
  const { findInvalidRestore } = await import('../reversible/restore-expressions.js');
  const problem = await findInvalidRestore(restore, dry.statements);
  if (problem) throw new Error(`${file}: ${name}.restore: ${problem}`);
}

export function timestampOf({ name }: { name: string }): number {
  return Number(name.slice(-13));
}

function isClass(value: unknown): value is new () => MigrationInterface {
  return (
    typeof value === 'function' && typeof (value.prototype as { up?: unknown } | undefined)?.up === 'function'
  );
}
