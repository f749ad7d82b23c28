/** What lint says of migrations before any of their statements runs. */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import type { MigrationFinding } from '../../../contract/image.js';
import type { BackfillSpec } from './backfill.js';
import type { KnownMigration } from './known-migrations.js';
import { type Finding, lintContext, lintSql } from './lint/lint.js';

export interface LintedMigration {
  name: string;
  findings: Finding[];
  /** Tables it creates. */
  created: string[];
  /** It builds SQL from what the database holds, so some of it is judged only when it runs. */
  dynamic: boolean;
}

export async function lintMigrations(known: KnownMigration[]): Promise<LintedMigration[]> {
  const linted: LintedMigration[] = [];
  for (const migration of known) linted.push(await lintMigration(migration));
  return linted;
}

async function lintMigration({
  name,
  phase,
  transaction,
  migration,
}: KnownMigration): Promise<LintedMigration> {
  const context = lintContext(phase, transaction);
  const statements: string[] = [];
  const instance = new migration() as MigrationInterface & { backfill?: BackfillSpec };
  const findings: Finding[] = instance.backfill ? await lintBackfill(instance.backfill) : [];
  const dynamic = instance.backfill ? false : await dryRun(instance, statements);
  for (const sql of statements) findings.push(...(await lintSql(sql, context)));
  return { name, findings, created: [...context.created], dynamic };
}

/** Its parts must make one UPDATE and nothing else. */
async function lintBackfill({ table, set, where }: BackfillSpec): Promise<Finding[]> {
  const sql = `UPDATE ${table} SET ${set} WHERE (${where})`;
  const findings = await lintSql(sql, lintContext('backfill', true));
  return findings.filter(({ rule }) => rule !== 'update-all-rows');
}

/** Runs `up` on a runner that only writes down. True if it asked for more than that. */
async function dryRun(migration: { up(runner: QueryRunner): Promise<unknown> }, statements: string[]) {
  const runner = {
    query: async (sql: string) => {
      statements.push(sql);
      return [];
    },
  };
  try {
    await migration.up(runner as unknown as QueryRunner);
    return false;
  } catch {
    return true;
  }
}

export function asReported(name: string, findings: Finding[]): MigrationFinding[] {
  return findings.map(({ rule, statement }) => ({ migration: name, rule, statement }));
}
