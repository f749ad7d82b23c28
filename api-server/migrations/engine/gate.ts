/**
 * The last gate: every statement a migration sends, also one that it put together
 * while running or had TypeORM write, is judged before the server sees it.
 */
import type { QueryRunner } from 'typeorm';
import { isConcurrent } from '../../migration-lint/ast.js';
import {
  describeFinding,
  type LintHistory,
  lintContext,
  lintSql,
  type Statement,
  statementsOf,
} from '../../migration-lint/lint.js';
import { dropLeftovers, isBuilt } from './index-leftovers.js';
import type { KnownMigration } from './known-migrations.js';
import { asReported } from './lint-migrations.js';
import { RefusedError } from './refused-error.js';

type Query = QueryRunner['query'];

export interface GateTimeouts {
  lock: number;
  statement: number;
}

export async function throughGate(
  runner: QueryRunner,
  migration: KnownMigration,
  timeouts: GateTimeouts,
  history: LintHistory,
  work: () => Promise<void>,
): Promise<void> {
  const context = lintContext(migration.phase, migration.transaction, history);
  const { dataSource } = runner;
  const query: Query = runner.query.bind(runner);
  const gated = async (sql: string, parameters?: unknown[], structured?: boolean) => {
    const [finding, ...more] = await lintSql(sql, context);
    if (finding) {
      throw new RefusedError(
        `${migration.name}: ${describeFinding(finding).replace(/\s*\n\s*/g, '; ')}`,
        asReported(migration.name, [finding, ...more]),
      );
    }
    const run = () => query(sql, parameters as never, structured as never);
    const [only, second] = await statementsOf(sql);
    if (!only || second || !isPatient(only)) return run();
    return runPatiently(query, only, timeouts, run);
  };
  const newRunner = dataSource.createQueryRunner.bind(dataSource);
  runner.query = gated as Query;
  // Another connection would have neither this gate, nor the lock, nor the transaction.
  dataSource.createQueryRunner = () => {
    throw new RefusedError(`${migration.name}: use the query runner that \`up\` is given, it holds the lock`);
  };
  try {
    await work();
  } finally {
    runner.query = query;
    dataSource.createQueryRunner = newRunner;
  }
}

/** Statements that take long, and no lock that the traffic would notice. */
function isPatient({ kind, body }: Statement): boolean {
  if (kind === 'AlterTableStmt') {
    return body.cmds.every(
      ({ AlterTableCmd: { subtype } }: { AlterTableCmd: { subtype: string } }) =>
        subtype === 'AT_ValidateConstraint',
    );
  }
  return isConcurrent(kind, body);
}

async function runPatiently(query: Query, statement: Statement, timeouts: GateTimeouts, run: () => unknown) {
  const { kind, body } = statement;
  await query('SET statement_timeout = 0');
  if (isConcurrent(kind, body)) await query('SET lock_timeout = 0'); // it waits for transactions, in nobody's way
  try {
    if (kind === 'IndexStmt' && (await isBuilt(query, statement))) return [];
    if (kind === 'ReindexStmt') await dropLeftovers(query, body);
    return await run();
  } finally {
    await query(`SET lock_timeout = ${timeouts.lock}`).catch(() => undefined);
    await query(`SET statement_timeout = ${timeouts.statement}`).catch(() => undefined);
  }
}
