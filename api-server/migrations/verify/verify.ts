/**
 * Detects drift: compares the live schema with the schema that the applied migrations create, and with the
 * entities.
 */
import type { EntityTarget } from 'typeorm';
import type { Settings } from '../../config/schema.js';
import { version } from '../../config/version.js';
import type { Logger } from '../../observability/logging/logger.js';
import { checkHistory, readHistory } from '../engine/history.js';
import type { KnownMigration } from '../engine/known-migrations.js';
import { openSession } from '../engine/migration-session.js';
import { type Catalog, readCatalog } from './catalog.js';
import type { Difference } from './difference.js';
import { compareEntities } from './entities.js';
import { replay } from './replay.js';

export interface Verification {
  differences: Difference[];
  /** Applied migrations that are unknown to this image. Their objects can't be distinguished from drift. */
  ahead: string[];
  /** Migrations of this image that are not applied. */
  pending: string[];
}

export async function verifySchema(
  settings: Settings,
  known: KnownMigration[],
  entities: EntityTarget<object>[],
  log: Logger,
): Promise<Verification> {
  await using session = await openSession(settings, known, log, entities);
  const { dataSource, runner } = session;
  await runner.startTransaction();
  try {
    const [{ schema }] = await runner.query('SELECT current_schema() AS schema');
    const history = await readHistory(runner);
    checkHistory(history, known, version());
    const live = await readCatalog(runner, schema);
    const byName = new Map(known.map((one) => [one.name, one]));
    const order = history.toSorted((a, b) => (a.id ?? 0) - (b.id ?? 0)); // in the order of application
    const ahead = order.filter(({ name }) => !byName.has(name)).map(({ name }) => name);
    const applied = order.flatMap(({ name }) => byName.get(name) ?? []);
    const done = new Set(history.map(({ name }) => name));
    const pending = known.filter(({ name }) => !done.has(name)).map(({ name }) => name);
    // Without the unknown migrations, the replay of a later one may fail.
    const replayed =
      ahead.length > 0 ? await replay(runner, applied).catch(() => undefined) : await replay(runner, applied);
    const drifted = replayed && ahead.length === 0 ? compareCatalogs(replayed, live) : [];
    const driftedNames = new Set(drifted.map(({ name }) => name));
    const incompatible = compareEntities(dataSource, live, replayed).filter(
      ({ name }) => !driftedNames.has(name),
    );
    const differences = [...drifted, ...incompatible];
    return { differences, ahead, pending };
  } finally {
    await runner.rollbackTransaction().catch(() => undefined);
  }
}

export function compareCatalogs(expected: Catalog, live: Catalog): Difference[] {
  const differences: Difference[] = [];
  for (const [name, definition] of expected) {
    const found = live.get(name);
    if (found === undefined) differences.push({ name, problem: 'missing', expected: definition });
    else if (found !== definition) {
      differences.push({ name, problem: 'different', expected: definition, found });
    }
  }
  for (const [name, found] of live) {
    if (!expected.has(name)) differences.push({ name, problem: 'unexpected', found });
  }
  // A missing or unexpected table is reported once, without its columns and indexes.
  const tables = differences.filter(
    ({ name, problem }) => name.startsWith('table ') && problem !== 'different',
  );
  const parts = tables.map(({ name }) => name.slice('table '.length));
  return differences
    .filter(({ name }) => !parts.some((table) => name.includes(` ${table}.`)))
    .filter(
      ({ name, found = '', expected: definition = '' }) =>
        !name.startsWith('index ') ||
        !parts.some((table) => `${found}${definition}`.includes(` ON ${table} `)),
    )
    .sort((a, b) => a.name.localeCompare(b.name));
}
