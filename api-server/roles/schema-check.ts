import 'reflect-metadata';
import { existsSync, readFileSync } from 'node:fs';
import { EXIT, type SchemaCheck } from '../../contract/image.js';
import { loadSettings } from '../config/load.js';
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

/**
 * `schema check`: for a pipeline, before the image is delivered. Changes nothing. Exit code 1: clients use what it breaks;
 * 75: the database is unavailable.
 */
export async function schemaCheck({
  json,
  windowDays,
  ignoreClient: ignoreClients = [],
  schema,
}: SchemaCheckFlags): Promise<number> {
  if (schema !== undefined && !existsSync(schema)) {
    process.stderr.write(`--schema: ${schema} does not exist\n`);
    return EXIT.usage;
  }
  const settings = await loadSettings();
  const options = { windowMs: windowDays * DAY_MS, ignoreClients };
  const sdl = schema === undefined ? undefined : readFileSync(schema, 'utf8');
  const known = await knownMigrations();
  return withTemporaryFailure(settings.database.url, async () => {
    const check = await checkSchema(settings, known, options, sdl);
    process.stdout.write(json ? `${JSON.stringify(check)}\n` : humanReport(check));
    return check.inUse.length > 0 ? EXIT.failure : EXIT.ok;
  });
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
