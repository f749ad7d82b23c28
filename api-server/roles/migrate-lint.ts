import 'reflect-metadata';
import { EXIT } from '../../contract/image.js';
import { describeFinding } from '../migration-lint/lint.js';
import { knownMigrations } from '../migrations/engine/known-migrations.js';
import { lintMigrations } from '../migrations/engine/lint-migrations.js';

/** Lints all migrations of this image. Needs no settings and no database. */
export async function migrateLint({ json }: { json?: boolean }): Promise<number> {
  const linted = await lintMigrations(await knownMigrations());
  const findings = linted.flatMap(({ name, findings }) =>
    findings.map((one) => ({ migration: name, ...one })),
  );
  const dynamic = linted.filter((one) => one.dynamic).map(({ name }) => name);
  if (json) process.stdout.write(`${JSON.stringify({ migrations: linted.length, findings, dynamic })}\n`);
  else {
    for (const finding of findings) {
      process.stdout.write(`${finding.migration}: ${describeFinding(finding)}\n`);
    }
    for (const name of dynamic) {
      process.stdout.write(
        `${name}: reads from the database while it runs; its further statements are linted at run time\n`,
      );
    }
    process.stdout.write(`${linted.length} migrations, ${findings.length} findings\n`);
  }
  return findings.length > 0 ? EXIT.failure : EXIT.ok;
}
