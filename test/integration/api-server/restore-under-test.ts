/** A contract that splits a column and drops a table, reversibly, and runs of `migrate up`, `restore` and `purge`. */
import { pathToFileURL } from 'node:url';
import { pino } from 'pino';
import { loadSettings } from '../../../api-server/config/load.js';
import {
  type KnownMigration,
  knownMigrations,
} from '../../../api-server/migrations/engine/known-migrations.js';
import type { RunResult } from '../../../api-server/migrations/engine/run-report.js';
import { migrateUp } from '../../../api-server/migrations/engine/runner.js';
import { migratePurge, migrateRestore } from '../../../api-server/migrations/reversible/restore.js';
import { type MigrationPhase, type MigrationReport, migrationReportSchema } from '../../../contract/image.js';
import type { TestPostgres } from '../../support/servers/postgres.js';
import { makeImage, migrationFile } from './api-process.js';

export const PHASES = ['expand', 'backfill', 'contract'] as const;
export const WINDOW = { PCF_API__MIGRATIONS__CONTRACT_WINDOW: '1h' };
export const SPLIT = 'DropColumns1795380000003';
export const TABLE = 'DropTable1795380000004';
/**
 * Version 1 has `owner` and `repository`, "url#branch", and the table `notes`. Version 2 renames `owner` to `team`,
 * splits `repository`, and needs no `notes`.
 */
const EXPAND = [
  'ALTER TABLE services ADD COLUMN team text, ADD COLUMN url text, ADD COLUMN branch text',
  'CREATE TABLE notes (id int PRIMARY KEY, note text)',
  'CREATE VIEW note_texts AS SELECT note FROM notes',
  `CREATE FUNCTION services_sync() RETURNS trigger LANGUAGE plpgsql AS $$
   BEGIN
     IF TG_OP = 'INSERT' THEN
       IF NEW.repository IS NULL THEN NEW.repository := NEW.url || '#' || NEW.branch;
       ELSE NEW.url := split_part(NEW.repository, '#', 1); NEW.branch := split_part(NEW.repository, '#', 2); END IF;
       NEW.owner := coalesce(NEW.owner, NEW.team); NEW.team := coalesce(NEW.team, NEW.owner);
     ELSIF NEW.repository IS DISTINCT FROM OLD.repository THEN
       NEW.url := split_part(NEW.repository, '#', 1); NEW.branch := split_part(NEW.repository, '#', 2);
     ELSIF (NEW.url, NEW.branch) IS DISTINCT FROM (OLD.url, OLD.branch) THEN
       NEW.repository := NEW.url || '#' || NEW.branch;
     END IF;
     RETURN NEW;
   END $$`,
  'CREATE TRIGGER services_sync BEFORE INSERT OR UPDATE ON services FOR EACH ROW EXECUTE FUNCTION services_sync()',
];
export const MIGRATIONS = {
  '1795380000001-expand.js': migrationFile('Expand1795380000001', EXPAND),
  '1795380000002-fill.js': `export class Fill1795380000002 {
    backfill = { table: 'services', key: 'id', set: 'team = owner', where: 'team IS NULL AND owner IS NOT NULL' };
    async up() {}
  }\nFill1795380000002.phase = 'backfill';\n`,
  '1795380000003-drop-columns.js': `export class ${SPLIT} {
    restore = { services: { repository: "url || '#' || branch" } };
    async up(runner) {
      await runner.query('DROP TRIGGER services_sync ON services');
      await runner.query('DROP FUNCTION services_sync');
      await runner.query('ALTER TABLE services DROP COLUMN owner, DROP COLUMN repository');
    }
  }\n${SPLIT}.phase = 'contract';\n`,
  '1795380000004-drop-table.js': migrationFile(
    TABLE,
    ['DROP VIEW note_texts', 'DROP TABLE notes'],
    'contract',
  ),
};

export const log = pino({ level: 'silent' });
const interrupted = new Promise<never>(() => {});

export function migrationsOf(image: string): Promise<KnownMigration[]> {
  return knownMigrations(pathToFileURL(`${image}/dist/api-server/migrations/versions/`));
}

/** An image with these migrations and the additional ones. */
export function restorableImage(additional: Record<string, string> = {}): string {
  return makeImage({ ...MIGRATIONS, ...additional });
}

export function settingsOf(url: string, settings: Record<string, string> = {}) {
  return loadSettings({ PCF_API__DATABASE__URL: url, ...WINDOW, ...settings });
}

export async function runUp(
  url: string,
  known: KnownMigration[],
  phases: MigrationPhase[],
): Promise<MigrationReport> {
  const { report } = await migrateUp(await settingsOf(url), known, log, interrupted, phases);
  return migrationReportSchema.parse(report);
}

/** Commands that change what is hidden. */
export type RestoreCommand = 'contract' | 'restore' | 'purge';

/** What a separate process runs. `url` of the database, `image`: its folder. */
export interface StoppableRun {
  url: string;
  image: string;
  /** `up`: all phases, without a contract window. */
  command: 'up' | RestoreCommand;
}

/** `purge` does not wait for the end of the window. */
export async function runMigrations(
  { url, image, command }: StoppableRun,
  given?: Record<string, string>,
): Promise<RunResult> {
  const known = await migrationsOf(image);
  if (command === 'up') {
    const settings = await loadSettings({ PCF_API__DATABASE__URL: url, ...given });
    return migrateUp(settings, known, log, interrupted, [...PHASES]);
  }
  const settings = await settingsOf(url, given);
  if (command === 'contract') return migrateUp(settings, known, log, interrupted, ['contract']);
  const run = { settings, known, log, interrupted };
  return command === 'restore' ? migrateRestore(run) : migratePurge(run, { now: true });
}

/** Expands a migrated database, with rows in both formats. */
export async function expandDatabase(
  postgres: TestPostgres,
  url: string,
  known: KnownMigration[],
): Promise<void> {
  await postgres.query(
    `INSERT INTO services (id, name, owner, repository)
     SELECT gen_random_uuid(), 's' || n, 'team ' || n, 'url ' || n || '#b' || n || '#' || n FROM generate_series(1, 50) n`,
    url,
  );
  const { error } = await runUp(url, known, ['expand', 'backfill']);
  if (error !== undefined) throw new Error(error);
  await postgres.query('ALTER TABLE services DISABLE TRIGGER services_sync', url); // it would rewrite the old column
  await postgres.query(
    "UPDATE services SET url = split_part(repository, '#', 1), branch = split_part(repository, '#', 2)",
    url,
  );
  await postgres.query('ALTER TABLE services ENABLE TRIGGER services_sync', url);
  await postgres.query("INSERT INTO notes VALUES (1, 'kept')", url);
}

/** Definitions of all objects, what is recorded, and all rows, without times. */
const CONTENT = `SELECT
  (SELECT array_agg(concat_ws(' ', n.nspname, c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull)
            ORDER BY n.nspname, c.relname, a.attname)
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
   WHERE n.nspname !~ '^(pg_|information_schema)') AS relations,
  (SELECT array_agg(pg_get_constraintdef(oid) || ' ' || conrelid::regclass ORDER BY conrelid::regclass::text, conname)
   FROM pg_constraint WHERE connamespace::regnamespace::text !~ '^(pg_|information_schema)' AND contype <> 'n') AS constraints,
  (SELECT array_agg(pg_get_triggerdef(oid) ORDER BY tgname) FROM pg_trigger WHERE NOT tgisinternal) AS triggers,
  (SELECT array_agg(pg_get_functiondef(oid) ORDER BY oid::regprocedure::text) FROM pg_proc
   WHERE pronamespace::regnamespace::text !~ '^(pg_|information_schema)') AS functions,
  (SELECT array_agg(name || ' ' || phase ORDER BY name) FROM schema_migrations) AS applied,
  (SELECT array_agg(to_jsonb(s) ORDER BY id) FROM services s) AS rows,
  CASE WHEN to_regclass('schema_hidden') IS NULL THEN NULL ELSE regexp_replace(
    query_to_xml('SELECT *, purged_at IS NOT NULL AS purged FROM schema_hidden ORDER BY migration', true, false, '')::text,
    '<(hidden_at|until|purged_at)[^<]*(</\\1>|>)', '', 'g') END AS hidden`;

export async function contentOf(postgres: TestPostgres, url: string): Promise<Record<string, unknown>> {
  const [content] = await postgres.query<Record<string, unknown>>(CONTENT, url);
  return content!;
}

/** A statement in the transaction of the first migration that the command changes. */
export const IN_TRANSACTION: Record<RestoreCommand, RegExp> = {
  contract: /RENAME COLUMN/,
  restore: /SET SCHEMA/,
  purge: /DROP COLUMN/,
};
