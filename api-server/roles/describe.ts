import { EXIT, imageDescriptionSchema } from '../../contract/image.js';
import { imageSchema } from '../config/image-schema.js';
import { configJsonSchema } from '../config/json-schema.js';
import { version } from '../config/version.js';
import { knownMigrations } from '../migrations/engine/known-migrations.js';

/** Prints version, migrations, settings and GraphQL schema of the image. Needs no settings and no database. */
export async function describe({ json }: { json?: boolean }): Promise<number> {
  const migrations = (await knownMigrations()).map(({ name, phase, checksum, requires, until }) => ({
    name,
    phase,
    checksum,
    requires,
    until,
  }));
  const description = imageDescriptionSchema.parse({
    version: version(),
    migrations,
    minimumSchema: migrations.findLast(({ phase }) => phase === 'expand')?.name ?? null,
    newestSchema: migrations.at(-1)?.name ?? null,
    configSchema: await configJsonSchema(),
    graphqlSchema: imageSchema(),
  });
  const lines = migrations.map(({ name, phase }) => `  ${phase.padEnd(9)} ${name}`);
  const text = [`pcf-api ${description.version}`, 'migrations:', ...lines].join('\n');
  process.stdout.write(json ? `${JSON.stringify(description)}\n` : `${text}\n`);
  return EXIT.ok;
}
