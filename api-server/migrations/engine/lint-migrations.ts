/** What lint says of migrations before any of their statements runs. */
import type { MigrationInterface } from 'typeorm';
import type { MigrationFinding } from '../../../contract/image.js';
import { Facts } from '../../migration-lint/facts.js';
import {
  type Finding,
  type LintHistory,
  lintContext,
  lintSql,
  recordStatement,
  type Statement,
  statementsOf,
} from '../../migration-lint/lint.js';
import { droppedNames } from '../../migration-lint/names.js';
import type { BackfillSpec } from './backfill-batch.js';
import type { DryRun } from './dry-run.js';
import { type KnownMigration, timestampOf } from './known-migrations.js';

export interface LintedMigration {
  name: string;
  findings: Finding[];
  /** Tables it creates. */
  created: string[];
  /** It builds SQL from what the database holds, so some of it is judged only when it runs. */
  dynamic: boolean;
}

/** `contracts` are contract migrations that may be pending, `all` the migrations of the image. */
export async function lintMigrations(
  known: KnownMigration[],
  contracts: KnownMigration[] = known,
  all: KnownMigration[] = known,
): Promise<LintedMigration[]> {
  const linted: LintedMigration[] = [];
  for (const migration of known) {
    linted.push(await lintMigration(migration, await historyBefore(migration, contracts, all)));
  }
  return linted;
}

/** Knowledge from older migrations: names that pending contracts drop, and facts about the schema. */
export async function historyBefore(
  migration: KnownMigration,
  contracts: KnownMigration[],
  all: KnownMigration[],
): Promise<LintHistory> {
  const facts = new Facts();
  for (const older of all) {
    if (timestampOf(older) >= timestampOf(migration)) continue;
    if (older.phase === 'contract' && migration.phase !== 'contract') continue; // may be pending
    for (const { kind, body } of await parsed(older)) recordStatement(kind, body, facts);
    if (older.dry.dynamic) facts.columns.clear(); // it may add columns that are known only when it runs
  }
  return { doomed: await doomedNames(migration, contracts), facts };
}

const parsedRuns = new WeakMap<DryRun, Promise<Statement[]>>();

/** The statements of a migration. Syntax errors are reported by the lint of that migration. */
function parsed({ dry }: KnownMigration): Promise<Statement[]> {
  const known = parsedRuns.get(dry);
  if (known) return known;
  const all = Promise.all(dry.statements.map((sql) => statementsOf(sql).catch(() => []))).then((one) =>
    one.flat(),
  );
  parsedRuns.set(dry, all);
  return all;
}

/**
 * What older contracts drop. All expand migrations run before any contract, so one that gives such
 * a name again would meet what is still there, and the contract would drop the new in its place.
 */
async function doomedNames(migration: KnownMigration, contracts: KnownMigration[]): Promise<Set<string>> {
  const doomed = new Set<string>();
  for (const older of contracts) {
    if (older.phase !== 'contract' || timestampOf(older) >= timestampOf(migration)) continue;
    for (const { kind, body } of await parsed(older)) {
      for (const name of droppedNames(kind, body)) doomed.add(name);
    }
  }
  return doomed;
}

async function lintMigration(
  { name, phase, transaction, migration, dry }: KnownMigration,
  history: LintHistory,
): Promise<LintedMigration> {
  const context = lintContext(phase, transaction, history);
  const { backfill } = new migration() as MigrationInterface & { backfill?: BackfillSpec };
  const findings: Finding[] = backfill ? await lintBackfill(backfill, history) : [];
  for (const sql of dry.statements) findings.push(...(await lintSql(sql, context)));
  return { name, findings, created: [...context.created], dynamic: dry.dynamic };
}

/** Its parts must make one UPDATE and nothing else. */
async function lintBackfill({ table, set, where }: BackfillSpec, history: LintHistory): Promise<Finding[]> {
  const sql = `UPDATE ${table} SET ${set}\nWHERE (${where}\n)`;
  const findings = await lintSql(sql, lintContext('backfill', true, history));
  return findings.filter(({ rule }) => rule !== 'update-all-rows');
}

export function asReported(name: string, findings: Finding[]): MigrationFinding[] {
  return findings.map(({ rule, statement }) => ({ migration: name, rule, statement }));
}

/** What a plan has to say of those whose SQL depends on what they find. */
export function unforeseen(linted: LintedMigration[]): MigrationFinding[] {
  return linted
    .filter(({ dynamic }) => dynamic)
    .map(({ name }) => ({
      migration: name,
      rule: 'not-known-before-it-runs',
      statement: 'asks the database as it goes; each statement is judged when it is sent',
    }));
}
