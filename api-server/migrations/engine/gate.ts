/**
 * The last gate: every statement that a migration sends, also one that it builds while it runs or
 * that TypeORM writes, is linted before the server receives it.
 */
import type { Client, QueryResult } from 'pg';
import type { QueryRunner } from 'typeorm';
import { isConcurrent } from '../../migration-lint/ast.js';
import {
  describeFinding,
  lintContext,
  lintSql,
  type Statement,
  statementsOf,
} from '../../migration-lint/lint.js';
import { behindGate, type DriverGate, type DriverMethod } from './driver-gate.js';
import { dropLeftovers, isBuilt } from './index-leftovers.js';
import type { KnownMigration } from './known-migrations.js';
import { asReported } from './lint-migrations.js';
import { lockedTables } from './locked-tables.js';
import type { SessionTimeouts } from './migration-session.js';
import { RefusedError } from './refused-error.js';

/** A transaction that already has the lock of a table still gets this much for the next one. */
const LEAST_LOCK_TIMEOUT_MS = 50;

/** Runs `work`, the `up` of a migration, on the runner. Its statements are sent one at a time. */
export async function throughGate(
  runner: QueryRunner,
  migration: KnownMigration,
  timeouts: SessionTimeouts,
  doomed: ReadonlySet<string>,
  work: () => Promise<void>,
): Promise<void> {
  const client: Client = await runner.connect();
  const gate = new MigrationGate(client, migration, timeouts, doomed);
  try {
    await behindGate(gate, client, async () => {
      try {
        await work();
      } finally {
        await gate.finish();
      }
    });
  } catch (error) {
    throw gate.refusal ?? error; // TypeORM wraps it, and `up` may have caught it
  }
  if (gate.refusal) throw gate.refusal;
}

class MigrationGate implements DriverGate {
  /** The first refusal. Nothing is sent after it. */
  refusal: RefusedError | undefined;
  readonly #context;
  readonly #accepted = new Set<string>();
  #isFinished = false;
  #last: Promise<unknown> = Promise.resolve();
  /** When the transaction asked for its first lock that the traffic conflicts with. */
  #lockedAt: number | undefined;

  constructor(
    private readonly client: Client,
    private readonly migration: KnownMigration,
    private readonly timeouts: SessionTimeouts,
    doomed: ReadonlySet<string>,
  ) {
    this.#context = lintContext(migration.phase, migration.transaction, doomed);
  }

  /** Waits for statements that `up` did not await. */
  async finish(): Promise<void> {
    for (let last: unknown; last !== this.#last; ) {
      last = this.#last;
      await last;
    }
    this.#isFinished = true;
  }

  query(client: Client, [config, ...more]: unknown[], send: DriverMethod): unknown {
    const { text, callback, ...rest } = statementOf(config);
    const done = [...more, callback].find((one) => typeof one === 'function');
    const values = more.find(Array.isArray);
    const result = this.#inOrder(() => {
      if (client !== this.client) this.connect();
      if (text === undefined) this.#refuse('sends something else than SQL as text');
      return this.#judge(text, () => send.call(client, { ...rest, text, ...(values && { values }) }), send);
    });
    if (!done) return result;
    result.then(
      (rows) => done(null, rows),
      (error) => done(error),
    );
    return undefined;
  }

  write(sql: string): void {
    if (!this.#accepted.has(sql)) this.#refuse('writes to the connection of the query runner');
  }

  connect(): never {
    return this.#refuse('uses another connection; use the query runner that `up` receives, it has the lock');
  }

  #refuse(what: string): never {
    this.refusal ??= new RefusedError(`${this.migration.name} ${what}`);
    throw this.refusal;
  }

  #inOrder(run: () => Promise<QueryResult>): Promise<QueryResult> {
    const result = this.#last.then(run);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #judge(sql: string, run: () => Promise<QueryResult>, send: DriverMethod): Promise<QueryResult> {
    if (this.#isFinished) this.#refuse('sends a statement after the end of `up`');
    if (this.refusal) throw this.refusal;
    const { name, transaction } = this.migration;
    const findings = await lintSql(sql, this.#context);
    const [finding] = findings;
    if (finding) {
      this.refusal = new RefusedError(
        `${name}: ${describeFinding(finding).replace(/\s*\n\s*/g, '; ')}`,
        asReported(name, findings),
      );
      throw this.refusal;
    }
    this.#accepted.add(sql);
    const statements = await statementsOf(sql);
    const own = (text: string, values?: unknown[]) => {
      this.#accepted.add(text);
      return send.call(this.client, text, values).then(({ rows }: QueryResult) => rows);
    };
    const [only, second] = statements;
    if (only && !second && isPatient(only)) return runPatiently(own, only, this.timeouts, run);
    if (transaction && statements.some((one) => lockedTables(one).length > 0)) await this.#boundLockWait(own);
    return run();
  }

  /**
   * While a statement waits for its lock, the traffic waits for the locks that the transaction already
   * has. So the limit is one of the transaction, counted from its first lock.
   */
  async #boundLockWait(own: Query): Promise<void> {
    if (this.#lockedAt === undefined) {
      this.#lockedAt = performance.now();
      return;
    }
    const left = Math.round(this.timeouts.lock - (performance.now() - this.#lockedAt));
    await own(`SET LOCAL lock_timeout = ${Math.max(LEAST_LOCK_TIMEOUT_MS, left)}`);
  }
}

// biome-ignore lint/suspicious/noExplicitAny: rows of any statement
type Query = (sql: string, values?: unknown[]) => Promise<any[]>;

/** The forms that the driver accepts. A query object of its own (a cursor, a stream) has no `text` here. */
function statementOf(config: unknown): { text?: string; callback?: unknown } {
  if (typeof config === 'string') return { text: config };
  const isPlain = typeof config === 'object' && config !== null && !('submit' in config);
  return isPlain ? (config as { text?: string }) : {};
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
  { kind, body }: Statement,
  timeouts: SessionTimeouts,
  run: () => Promise<QueryResult>,
): Promise<QueryResult> {
  await query('SET statement_timeout = 0');
  if (isConcurrent(kind, body)) await query('SET lock_timeout = 0'); // it waits for transactions, in nobody's way
  try {
    if (kind === 'IndexStmt' && (await isBuilt(query, body))) return NOTHING;
    if (kind === 'ReindexStmt') await dropLeftovers(query, body);
    return await run();
  } finally {
    await query(`SET lock_timeout = ${timeouts.lock}`).catch(() => undefined);
    await query(`SET statement_timeout = ${timeouts.statement}`).catch(() => undefined);
  }
}

const NOTHING: QueryResult = { command: 'CREATE', rowCount: null, oid: 0, rows: [], fields: [] };
