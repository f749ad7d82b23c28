/** The migrations of this image: every class in the migrations folder. */
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { MigrationInterface } from 'typeorm';
import { z } from 'zod';

const phaseSchema = z.enum(['expand', 'backfill', 'contract']);
export type MigrationPhase = z.infer<typeof phaseSchema>;

export interface KnownMigration {
  /** The class name, which ends in the timestamp that orders it. */
  name: string;
  phase: MigrationPhase;
  migration: new () => MigrationInterface;
}

const FOLDER = new URL('../../migrations/', import.meta.url);

/**
 * Oldest first. Read from the folder, not from a list in the code, so that an
 * image with one more file knows one more migration. Loads no TypeORM.
 */
export async function knownMigrations(folder: URL = FOLDER): Promise<KnownMigration[]> {
  const files = (await readdir(fileURLToPath(folder))).filter((name) => /\.(js|mjs)$/.test(name)).sort();
  const modules = await Promise.all(files.map((file) => load(new URL(file, folder), file)));
  return modules.flat().sort((a, b) => timestampOf(a) - timestampOf(b));
}

async function load(url: URL, file: string): Promise<KnownMigration[]> {
  const exported: unknown[] = Object.values((await import(url.href)) as object);
  return exported.filter(isClass).map((migration) => {
    const phase = phaseSchema.safeParse((migration as { phase?: unknown }).phase);
    const { name } = migration;
    if (!phase.success) {
      throw new Error(`${file}: ${name} must declare its phase: ${phaseSchema.options.join(', ')}`);
    }
    if (!/\d{13}$/.test(name)) throw new Error(`${file}: the name ${name} must end in a 13-digit timestamp`);
    return { name, phase: phase.data, migration };
  });
}

function timestampOf({ name }: KnownMigration): number {
  return Number(name.slice(-13));
}

function isClass(value: unknown): value is new () => MigrationInterface {
  return (
    typeof value === 'function' && typeof (value.prototype as { up?: unknown } | undefined)?.up === 'function'
  );
}
