/** Lints migrations before any of their statements runs. */
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
import { quoteTable, type RestoreSpec, restoreStatement } from '../reversible/restore-expressions.js';
import type { BackfillSpec } from './backfill-batch.js';
import type { DryRun } from './dry-run.js';
import { type KnownMigration, timestampOf } from './known-migrations.js';

export interface LintedMigration {
  name: string;
  findings: Finding[];
  /** Tables that the migration creates. */
  created: string[];
  /** The migration reads query results, so some of its SQL is linted only when it runs. */
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

/** Names that pending contracts drop, and facts about the schema from older migrations. */
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
    if (older.dry.dynamic) facts.columns.clear(); // the columns that it adds are known only when it runs
  }
  return { droppedByContracts: await namesDroppedByContracts(migration, contracts), facts };
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
 * Names that older contracts drop. All expand migrations run before any contract, so when an expand migration
 * reuses such a name, the old object still exists, and the contract would drop the new one.
 */
async function namesDroppedByContracts(
  migration: KnownMigration,
  contracts: KnownMigration[],
): Promise<Set<string>> {
  const dropped = new Set<string>();
  for (const older of contracts) {
    if (older.phase !== 'contract' || timestampOf(older) >= timestampOf(migration)) continue;
    for (const { kind, body } of await parsed(older)) {
      for (const name of droppedNames(kind, body)) dropped.add(name);
    }
  }
  return dropped;
}

async function lintMigration(
  { name, phase, transaction, migration, dry, restore = {} }: KnownMigration,
  history: LintHistory,
): Promise<LintedMigration> {
  const context = lintContext(phase, transaction, history);
  const { backfill } = new migration() as MigrationInterface & { backfill?: BackfillSpec };
  const findings: Finding[] = backfill ? await lintBackfill(backfill, history) : [];
  for (const sql of dry.statements) findings.push(...(await lintSql(sql, context)));
  findings.push(...(await lintRestore(restore, history)));
  return { name, findings, created: [...context.created], dynamic: dry.dynamic };
}

/** The expressions run in a trigger, for each row that the new version writes. */
async function lintRestore(restore: RestoreSpec, history: LintHistory): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [table, columns] of Object.entries(restore)) {
    for (const [column, expression] of Object.entries(columns)) {
      const sql = restoreStatement(quoteTable(table), column, expression);
      findings.push(...(await lintSql(sql, lintContext('backfill', true, history))));
    }
  }
  return findings.filter(({ rule }) => rule !== 'update-all-rows');
}

/** The fields of a backfill must form a single UPDATE. */
async function lintBackfill({ table, set, where }: BackfillSpec, history: LintHistory): Promise<Finding[]> {
  const sql = `UPDATE ${table} SET ${set}\nWHERE (${where}\n)`;
  const findings = await lintSql(sql, lintContext('backfill', true, history));
  return findings.filter(({ rule }) => rule !== 'update-all-rows');
}

/** Findings as they are in the report. */
export function toMigrationFindings(name: string, findings: Finding[]): MigrationFinding[] {
  return findings.map(({ rule, statement }) => ({ migration: name, rule, statement }));
}

/** Informational findings of a plan: migrations whose SQL depends on query results. */
export function dynamicFindings(linted: LintedMigration[]): MigrationFinding[] {
  return linted
    .filter(({ dynamic }) => dynamic)
    .map(({ name }) => ({
      migration: name,
      rule: 'not-known-before-it-runs',
      statement: 'queries the database while it runs; each statement is linted before it is sent',
    }));
}
