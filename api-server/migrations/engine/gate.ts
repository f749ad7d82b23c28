/**
 * The last gate: every statement that a migration sends, also one that it builds while it runs or
 * that TypeORM writes, is linted before the server receives it.
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
import { asReported } from './lint-migrations.js';
import { lockedTables } from './locked-tables.js';
import type { SessionTimeouts } from './migration-session.js';
import { RefusedError } from './refused-error.js';
import { type Query, type SentStatement, withJudge } from './statement-gate.js';

/** A transaction that already has the lock of a table still gets this much for the next one. */
const LEAST_LOCK_TIMEOUT_MS = 10;

/** Runs `work`, the `up` of a migration. */
export async function throughGate(
  runner: QueryRunner,
  migration: KnownMigration,
  timeouts: SessionTimeouts,
  history: LintHistory,
  work: () => Promise<void>,
): Promise<void> {
  const { name, phase, transaction } = migration;
  const context = lintContext(phase, transaction, history);
  const boundLockWait = lockWaitBound(timeouts.lock);
  const judge = async ({ sql, send, query }: SentStatement) => {
    const [finding, ...more] = await lintSql(sql, context);
    if (finding) {
      throw new RefusedError(
        `${name}: ${describeFinding(finding).replace(/\s*\n\s*/g, '; ')}`,
        asReported(name, [finding, ...more]),
      );
    }
    const statements = await statementsOf(sql);
    const [only, second] = statements;
    if (only && !second && isPatient(only)) return runPatiently(query, only, timeouts, send);
    if (transaction && statements.some((one) => lockedTables(one).length > 0)) await boundLockWait(query);
    return send();
  };
  await withJudge(runner, name, judge, work);
}

/**
 * While a statement waits for its lock, the traffic waits for the locks that the transaction already
 * has. So the limit is one of the transaction, counted from its first lock.
 */
function lockWaitBound(timeoutMs: number): (query: Query) => Promise<void> {
  let lockedAt: number | undefined;
  return async (query) => {
    if (lockedAt === undefined || timeoutMs === 0) {
      lockedAt = performance.now();
      return;
    }
    const left = Math.round(timeoutMs - (performance.now() - lockedAt));
    await query(`SET LOCAL lock_timeout = ${Math.max(LEAST_LOCK_TIMEOUT_MS, left)}`);
  };
}

/** Statements that take long, and no lock that the traffic conflicts with. */
function isPatient({ kind, body }: Statement): boolean {
  if (kind === 'AlterTableStmt') {
    return body.cmds.every(
      ({ AlterTableCmd: { subtype } }: { AlterTableCmd: { subtype: string } }) =>
        subtype === 'AT_ValidateConstraint',
    );
  }
  return isConcurrent(kind, body);
}

async function runPatiently(
  query: Query,
  statement: Statement,
  timeouts: SessionTimeouts,
  run: () => Promise<QueryResult>,
): Promise<QueryResult> {
  const { kind, body } = statement;
  await query('SET statement_timeout = 0');
  if (isConcurrent(kind, body)) await query('SET lock_timeout = 0'); // it waits for transactions, in nobody's way
  try {
    if (kind === 'IndexStmt' && (await isBuilt(query, statement))) return NOTHING;
    if (kind === 'ReindexStmt') await dropLeftovers(query, body);
    return await run();
  } finally {
    await query(`SET lock_timeout = ${timeouts.lock}`).catch(() => undefined);
    await query(`SET statement_timeout = ${timeouts.statement}`).catch(() => undefined);
  }
}

const NOTHING: QueryResult = { command: 'CREATE', rowCount: null, oid: 0, rows: [], fields: [] };
