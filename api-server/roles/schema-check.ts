import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { EXIT, type SchemaCheck } from '../../contract/image.js';
import { loadSettings } from '../config/load.js';
import { knownMigrations } from '../migrations/engine/known-migrations.js';
import { checkSchema } from './check-schema.js';

export interface SchemaCheckFlags {
  json?: boolean;
  windowDays: number;
  ignoreClient?: string[];
  /** A file in SDL instead of the schema of this image. */
  schema?: string;
}

const DAY_MS = 86_400_000;

/** `schema check`: for a pipeline, before the image is delivered. Changes nothing. */
export async function schemaCheck({
  json,
  windowDays,
  ignoreClient: ignoreClients = [],
  schema,
}: SchemaCheckFlags): Promise<number> {
  const settings = await loadSettings();
  const options = { windowMs: windowDays * DAY_MS, ignoreClients };
  const sdl = schema === undefined ? undefined : readFileSync(schema, 'utf8');
  const check = await checkSchema(settings, await knownMigrations(), options, sdl);
  process.stdout.write(json ? `${JSON.stringify(check)}\n` : humanReport(check));
  return check.inUse.length > 0 ? EXIT.failure : EXIT.ok;
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
