/**
 * Lints every statement of a migration before it is sent to the server, including SQL that the migration
 * or TypeORM builds at run time.
 */
import type { QueryResult } from 'pg';
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
import { toMigrationFindings } from './lint-migrations.js';
import { lockWaitLimiter } from './lock-wait.js';
import { lockedTables } from './locked-tables.js';
import type { SessionTimeouts } from './migration-session.js';
import { RefusedError } from './refused-error.js';
import { type Query, type SentStatement, withStatementCheck } from './statement-gate.js';

/** Runs `work`, the `up` of a migration, with lint of each statement. */
export async function withLint(
  runner: QueryRunner,
  migration: KnownMigration,
  timeouts: SessionTimeouts,
  history: LintHistory,
  work: () => Promise<void>,
): Promise<void> {
  const { name, phase, transaction } = migration;
  const context = lintContext(phase, transaction, history);
  const limitLockWait = lockWaitLimiter(timeouts.lock);
  const check = async ({ sql, send, query }: SentStatement) => {
    const [finding, ...more] = await lintSql(sql, context);
    if (finding) {
      throw new RefusedError(
        `${name}: ${describeFinding(finding).replace(/\s*\n\s*/g, '; ')}`,
        toMigrationFindings(name, [finding, ...more]),
      );
    }
    const statements = await statementsOf(sql);
    const [only, second] = statements;
    if (only && !second && isLongRunning(only)) return runWithoutTimeout(query, only, timeouts, send);
    if (transaction && statements.some((one) => lockedTables(one).length > 0)) await limitLockWait(query);
    return send();
  };
  await withStatementCheck(runner, name, check, work);
}

/** True for statements that may run for long, and whose locks do not conflict with reads and writes. */
function isLongRunning({ kind, body }: Statement): boolean {
  if (kind === 'AlterTableStmt') {
    return body.cmds.every(
      ({ AlterTableCmd: { subtype } }: { AlterTableCmd: { subtype: string } }) =>
        subtype === 'AT_ValidateConstraint',
    );
  }
  return isConcurrent(kind, body);
}

/** Disables `statement_timeout`, and skips an index that an earlier run has built. */
async function runWithoutTimeout(
  query: Query,
  statement: Statement,
  timeouts: SessionTimeouts,
  run: () => Promise<QueryResult>,
): Promise<QueryResult> {
  const { kind, body } = statement;
  await query('SET statement_timeout = 0');
  if (isConcurrent(kind, body)) await query('SET lock_timeout = 0'); // it waits for transactions, but blocks none
  try {
    if (kind === 'IndexStmt' && (await isBuilt(query, statement))) return NO_ROWS;
    if (kind === 'ReindexStmt') await dropLeftovers(query, body);
    return await run();
  } finally {
    await query(`SET lock_timeout = ${timeouts.lock}`).catch(() => undefined);
    await query(`SET statement_timeout = ${timeouts.statement}`).catch(() => undefined);
  }
}

const NO_ROWS: QueryResult = { command: 'CREATE', rowCount: null, oid: 0, rows: [], fields: [] };
