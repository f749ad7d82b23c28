import { EXIT, imageDescriptionSchema } from '../../contract/image.js';
import { imageSchema } from '../config/image-schema.js';
import { configJsonSchema } from '../config/json-schema.js';
import { version } from '../config/version.js';
import { JOB_PAYLOADS } from '../jobs/payload-versions.js';
import { type KnownMigration, knownMigrations } from '../migrations/engine/known-migrations.js';

/** Prints version, migrations, settings and GraphQL schema of the image. Needs no settings and no database. */
export async function describe({ json }: { json?: boolean }): Promise<number> {
  const known = await knownMigrations();
  const migrations = await Promise.all(
    known.map(async (migration) => {
      const { name, phase, checksum, requires, until } = migration;
      return { name, phase, checksum, requires, until, ...(await reversibility(migration, known)) };
    }),
  );
  const description = imageDescriptionSchema.parse({
    version: version(),
    migrations,
    minimumSchema: migrations.findLast(({ phase }) => phase === 'expand')?.name ?? null,
    newestSchema: migrations.at(-1)?.name ?? null,
    configSchema: await configJsonSchema(),
    graphqlSchema: imageSchema(),
    jobs: JOB_PAYLOADS,
  });
  const lines = migrations.map(
    ({ name, phase, irreversible }) =>
      `  ${phase.padEnd(9)} ${name}${irreversible ? ` (irreversible: ${irreversible})` : ''}`,
  );
  const text = [`pcf-api ${description.version}`, 'migrations:', ...lines].join('\n');
  process.stdout.write(json ? `${JSON.stringify(description)}\n` : `${text}\n`);
  return EXIT.ok;
}

/** Loads the SQL parser on demand. */
async function reversibility(
  migration: KnownMigration,
  known: KnownMigration[],
): Promise<{ reversible?: boolean; irreversible?: string }> {
  if (migration.phase !== 'contract') return {};
  const { reversibilityOf } = await import('../migrations/reversible/reversibility.js');
  const found = await reversibilityOf(migration, known);
  return 'reason' in found ? { reversible: false, irreversible: found.reason } : { reversible: true };
}
