/** What lint says of migrations before any of their statements runs. */
import type { MigrationInterface } from 'typeorm';
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
  dry,
}: KnownMigration): Promise<LintedMigration> {
  const context = lintContext(phase, transaction);
  const { backfill } = new migration() as MigrationInterface & { backfill?: BackfillSpec };
  const findings: Finding[] = backfill ? await lintBackfill(backfill) : [];
  for (const sql of dry.statements) findings.push(...(await lintSql(sql, context)));
  return { name, findings, created: [...context.created], dynamic: dry.dynamic };
}

/** Its parts must make one UPDATE and nothing else. */
async function lintBackfill({ table, set, where }: BackfillSpec): Promise<Finding[]> {
  const sql = `UPDATE ${table} SET ${set} WHERE (${where})`;
  const findings = await lintSql(sql, lintContext('backfill', true));
  return findings.filter(({ rule }) => rule !== 'update-all-rows');
}

export function asReported(name: string, findings: Finding[]): MigrationFinding[] {
  return findings.map(({ rule, statement }) => ({ migration: name, rule, statement }));
}
