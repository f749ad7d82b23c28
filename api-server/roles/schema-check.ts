import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { buildSchema } from 'graphql';
import { EXIT, type SchemaCheck } from '../../contract/image.js';
import { loadSettings } from '../config/load.js';
import { sqlState } from '../database/pool/connection-errors.js';
import { knownMigrations } from '../migrations/engine/known-migrations.js';
import { checkSchema } from './check-schema.js';
import { withTemporaryFailure } from './temporary-failure.js';

export interface SchemaCheckFlags {
  json?: boolean;
  windowDays: number;
  ignoreClient?: string[];
  /** A file in SDL instead of the schema of this image. */
  schema?: string;
}

const DAY_MS = 86_400_000;

/** The table does not exist. */
const UNDEFINED_TABLE = '42P01';

/**
 * `schema check`: for a pipeline, before the image is delivered. Changes nothing. Exit code 1: clients use what it breaks;
 * 64: the file is not a schema; 75: the database is unavailable; 78: it lacks migrations of this image.
 */
export async function schemaCheck({
  json,
  windowDays,
  ignoreClient: ignoreClients = [],
  schema,
}: SchemaCheckFlags): Promise<number> {
  const given = schema === undefined ? {} : readSchema(schema);
  if (given.problem !== undefined) {
    process.stderr.write(`--schema: ${given.problem}\n`);
    return EXIT.usage;
  }
  const settings = await loadSettings();
  const options = { windowMs: windowDays * DAY_MS, ignoreClients };
  const known = await knownMigrations();
  return withTemporaryFailure(settings.database.url, async () => {
    const check = await checkSchema(settings, known, options, given.sdl).catch(missingTable);
    if (!check) return EXIT.config;
    process.stdout.write(json ? `${JSON.stringify(check)}\n` : humanReport(check));
    return check.inUse.length > 0 ? EXIT.failure : EXIT.ok;
  });
}

/** Read before the connection to the database: an invalid file is an error of the caller. */
function readSchema(file: string): { sdl?: string; problem?: string } {
  try {
    const sdl = readFileSync(file, 'utf8');
    buildSchema(sdl);
    return { sdl };
  } catch (error) {
    return { problem: `${file} is not a GraphQL schema in SDL: ${(error as Error).message}` };
  }
}

/** Reports missing migrations. Throws other errors. */
function missingTable(error: unknown): undefined {
  if (sqlState(error) !== UNDEFINED_TABLE) throw error;
  process.stderr.write('the database lacks migrations of this image; run: pcf-api migrate up\n');
}

function humanReport({ inUse, more = 0 }: SchemaCheck): string {
  if (inUse.length === 0) return 'no breaking change is in use\n';
  const lines = inUse.flatMap(({ change, clients, moreClients = 0 }) => [
    change,
    ...clients.map(({ name, application, lastUsedAt }) => {
      return `  ${name}${application ? ` (${application})` : ''}, last used at ${lastUsedAt}`;
    }),
    ...(moreClients > 0 ? [`  and ${moreClients} more clients`] : []),
  ]);
  return `${[...lines, ...(more > 0 ? [`and ${more} more changes`] : [])].join('\n')}\n`;
}
