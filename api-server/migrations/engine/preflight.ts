/** Checks before the first statement. Each throws a `RefusedError`. */
import type { QueryRunner } from 'typeorm';
import { type MigrationPhase, migrationPhaseSchema } from '../../../contract/image.js';
import { version } from '../../config/version.js';
import { describeFinding } from '../../migration-lint/lint.js';
import { incompatibilityOf } from './compatibility.js';
import { type Applied, checkHistory } from './history.js';
import { type KnownMigration, timestampOf } from './known-migrations.js';
import { type LintedMigration, lintMigrations, toMigrationFindings } from './lint-migrations.js';
import { RefusedError } from './refused-error.js';

/** Ordered by phase, then by timestamp. */
export function selectPending(
  applied: Applied[],
  known: KnownMigration[],
  phases: MigrationPhase[],
): KnownMigration[] {
  const done = new Set(applied.map(({ name }) => name));
  return migrationPhaseSchema.options
    .filter((phase) => phases.includes(phase))
    .flatMap((phase) => known.filter((one) => one.phase === phase && !done.has(one.name)));
}

export async function preflight(
  runner: QueryRunner,
  applied: Applied[],
  known: KnownMigration[],
  phases: MigrationPhase[],
): Promise<LintedMigration[]> {
  checkHistory(applied, known, version());
  const pending = selectPending(applied, known, phases);
  refuseIncompatible(pending);
  refuseOutOfPhase(applied, known, pending);
  const linted = await lintMigrations(pending, selectPending(applied, known, ['contract']), known);
  refuseFindings(linted);
  if (applied.length === 0) await refuseUnrecorded(runner, linted);
  return linted;
}

/** An image must be compatible with the migrations that it runs. */
function refuseIncompatible(pending: KnownMigration[]): void {
  for (const migration of pending) {
    if (!incompatibilityOf(version(), [migration])) continue;
    const { name, requires = 'any', until = 'any' } = migration;
    throw new RefusedError(
      `${name} is for versions ${requires} to ${until}, and this image is ${version()}: release it with a version within these bounds`,
    );
  }
}

/**
 * A contract requires that older backfills are applied, and a backfill requires the older expand migrations.
 */
function refuseOutOfPhase(applied: Applied[], known: KnownMigration[], pending: KnownMigration[]): void {
  const settled = new Set([...applied, ...pending].map(({ name }) => name));
  const rank = ({ phase }: KnownMigration) => migrationPhaseSchema.options.indexOf(phase);
  for (const migration of pending) {
    const missing = known.find(
      (one) =>
        !settled.has(one.name) && rank(one) < rank(migration) && timestampOf(one) < timestampOf(migration),
    );
    if (missing) {
      throw new RefusedError(
        `${migration.name} (${migration.phase}) comes after ${missing.name}, which is not applied; run \`migrate up --phase ${missing.phase}\` first`,
      );
    }
  }
}

function refuseFindings(linted: LintedMigration[]): void {
  const all = linted.flatMap(({ name, findings }) => findings.map((finding) => ({ name, finding })));
  const [first] = all;
  if (!first) return;
  throw new RefusedError(
    `${first.name}: ${describeFinding(first.finding).replace(/\s*\n\s*/g, '; ')}${all.length > 1 ? ` (and ${all.length - 1} more)` : ''}`,
    all.flatMap(({ name, finding }) => toMigrationFindings(name, [finding])),
  );
}

/** Tables of the API without a migration history: which migrations they correspond to is unknown. */
async function refuseUnrecorded(runner: QueryRunner, linted: LintedMigration[]): Promise<void> {
  for (const table of linted.flatMap(({ created }) => created)) {
    const [found] = await runner.query('SELECT to_regclass($1) IS NOT NULL AS there', [table]);
    if (!found?.there) continue;
    throw new RefusedError(
      `the database has the table ${table} but no record of migrations; if its schema corresponds to a known migration, record it with \`migrate baseline <name>\``,
    );
  }
}
