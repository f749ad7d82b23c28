/**
 * The registry of migrations, api-server/migrations.json: names, order and checksums. A build is compared
 * with it without a database: a recorded migration must not be removed or changed, and no migration may be
 * inserted before it, because databases would apply them in a different order.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { type KnownMigration, knownMigrations } from '../api-server/migrations/engine/known-migrations.js';

export type RegisteredMigration = Pick<KnownMigration, 'name' | 'phase' | 'checksum'>;

const FILE = 'api-server/migrations.json';

export interface RegistryCheck {
  /** Problems that `npm run generate` must not hide. */
  problems: string[];
  unrecorded: RegisteredMigration[];
}

export function checkRegistry(
  recorded: readonly RegisteredMigration[],
  known: readonly RegisteredMigration[],
): RegistryCheck {
  const byName = new Map(known.map((one) => [one.name, one]));
  const names = new Set(recorded.map(({ name }) => name));
  const newest = recorded.reduce((at, { name }) => Math.max(at, timestamp(name)), 0);
  const problems = recorded.flatMap(({ name, phase, checksum }) => {
    const now = byName.get(name);
    if (!now)
      return [`${name} was removed: databases have applied it, so write a new migration that reverts it`];
    if (now.phase !== phase) return [`${name} was ${phase} and is ${now.phase} now: write a new migration`];
    if (now.checksum !== checksum) return [`${name} was changed: undo that, and write a new migration`];
    return [];
  });
  const unrecorded = known.filter(({ name }) => !names.has(name));
  for (const { name } of unrecorded) {
    if (timestamp(name) > newest) continue;
    problems.push(`${name} is out of order: newer ones are recorded, so give it a timestamp after ${newest}`);
  }
  return { problems, unrecorded };
}

/** Checks the registry, or records new migrations with `--write`. */
async function main(write: boolean): Promise<number> {
  const recorded = JSON.parse(readFileSync(FILE, 'utf8')) as RegisteredMigration[];
  const known = (await knownMigrations()).map(({ name, phase, checksum }) => ({ name, phase, checksum }));
  const { problems, unrecorded } = checkRegistry(recorded, known);
  if (write && problems.length === 0) {
    writeFileSync(FILE, `${JSON.stringify([...recorded, ...unrecorded], null, 2)}\n`);
    console.log(`wrote ${FILE}`);
    return 0;
  }
  if (!write) problems.push(...unrecorded.map(({ name }) => `${name} is not recorded: run npm run generate`));
  const unrecordedHint =
    problems.length > 0 ? `\nWhat no database has yet may be taken out of ${FILE} and recorded again.` : '';
  if (problems.length > 0) console.error(`${[...new Set(problems)].join('\n')}${unrecordedHint}`);
  return problems.length > 0 ? 1 : 0;
}

function timestamp(name: string): number {
  return Number(name.slice(-13));
}

if (process.argv[1] === import.meta.filename) process.exit(await main(process.argv.includes('--write')));
