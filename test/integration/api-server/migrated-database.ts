/** Migrated databases. `migrate up` runs once, and its database is copied: a run takes about 1 s. */
import { sharedPostgres } from '../../support/servers/postgres.js';
import { runRole } from './api-process.js';

let template: Promise<string> | undefined;

/** The URL of a new database on the shared server, with the schema of this build and no rows. */
export async function migratedDatabase(): Promise<string> {
  template ??= migrate();
  return (await sharedPostgres()).copyDatabase(await template);
}

async function migrate(): Promise<string> {
  const url = await (await sharedPostgres()).createDatabase();
  const { code, stdout, stderr } = await runRole(['migrate', 'up'], { PCF_API__DATABASE__URL: url });
  if (code !== 0) throw new Error(`migrate failed: ${stdout}${stderr}`);
  return url;
}
