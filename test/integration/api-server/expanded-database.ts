/** Copies of a database whose expand and backfill migrations have run, and contract, restore and purge on them. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import type { KnownMigration } from '../../../api-server/migrations/engine/known-migrations.js';
import { migratePurge, migrateRestore } from '../../../api-server/migrations/reversible/restore.js';
import type { MigrationPhase, MigrationReport } from '../../../contract/image.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { migratedDatabase } from './migrated-database.js';
import {
  expandDatabase,
  log,
  migrationsOf,
  restorableImage,
  runUp,
  settingsOf,
} from './restore-under-test.js';

/** Columns, tables, views, routines and triggers of version 1 that contract drops. */
const STATE = `SELECT
  (SELECT array_agg(attname::text ORDER BY attname) FROM pg_attribute WHERE attrelid = 'services'::regclass AND attnum > 0
     AND NOT attisdropped AND (attname IN ('owner', 'repository') OR attname LIKE 'pcf_hidden%')) AS columns,
  array_remove(ARRAY[to_regclass('notes')::text, to_regclass('note_texts')::text, to_regproc('services_sync')::text], NULL) AS objects,
  (SELECT array_agg(tgname::text ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 'services'::regclass AND NOT tgisinternal) AS triggers,
  (SELECT count(*)::int FROM pg_namespace WHERE nspname LIKE 'pcf_hidden%') AS schemas,
  (SELECT count(*)::int FROM pg_class WHERE relkind = 'S' AND relname LIKE 'pcf_hidden%') AS counters,
  (SELECT count(*)::int FROM schema_migrations WHERE phase = 'contract') AS contracts`;

const never = new Promise<never>(() => {});

export class ExpandedDatabase {
  private readonly images: string[];

  private constructor(
    readonly postgres: TestPostgres,
    /** URL of the database that the tests copy. */
    readonly url: string,
    /** Folder of the image with the migrations. */
    readonly image: string,
    readonly known: KnownMigration[],
  ) {
    this.images = [image];
  }

  static async create(): Promise<ExpandedDatabase> {
    const postgres = await sharedPostgres();
    const image = restorableImage();
    const known = await migrationsOf(image);
    const url = await migratedDatabase();
    await expandDatabase(postgres, url, known);
    return new ExpandedDatabase(postgres, url, image, known);
  }

  removeImages(): void {
    for (const folder of this.images) rmSync(folder, { recursive: true, force: true });
  }

  /** Copies the database and returns the URL of the copy. */
  async copy(): Promise<string> {
    const from = new URL(this.url).pathname.slice(1);
    const name = `${from}_${crypto.randomUUID().slice(0, 8)}`;
    await this.postgres.query(`CREATE DATABASE "${name}" TEMPLATE "${from}"`, this.postgres.url('postgres'));
    return this.postgres.url(name);
  }

  /** The migrations of an image with these additional ones, by file name. */
  async imageOf(migrations: Record<string, string>): Promise<KnownMigration[]> {
    const folder = restorableImage(migrations);
    this.images.push(folder);
    return migrationsOf(folder);
  }

  async up(url: string, phases: MigrationPhase[], migrations = this.known): Promise<MigrationReport> {
    const report = await runUp(url, migrations, phases);
    assert.equal(report.error, undefined);
    return report;
  }

  async restore(url: string, names: string[] = [], migrations = this.known): Promise<MigrationReport> {
    const run = { settings: await settingsOf(url), known: migrations, log, interrupted: never };
    return (await migrateRestore(run, names)).report;
  }

  async purge(url: string, now = false): Promise<MigrationReport> {
    const run = { settings: await settingsOf(url), known: this.known, log, interrupted: never };
    return (await migratePurge(run, { now })).report;
  }

  async stateOf(url: string): Promise<Record<string, unknown>> {
    const [state] = await this.postgres.query<Record<string, unknown>>(STATE, url);
    return state!;
  }
}
