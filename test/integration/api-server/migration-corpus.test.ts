/**
 * Runs the corpus on a server, and compares the locks, scans and rewrites that lint expects with
 * pg_locks, pg_stat_xact_user_tables and pg_class.relfilenode.
 */
import assert from 'node:assert/strict';
import pg from 'pg';
import { FUNCTIONS, OPERATORS, VOLATILE } from '../../../api-server/migration-lint/builtins.js';
import { LOCK_MODES } from '../../../api-server/migration-lint/locks.js';
import type { RuleName } from '../../../api-server/migration-lint/rules.js';
import { contextOf, rulesOf, textsOf } from '../../fixtures/migration-corpus/lint.js';
import { SAFE } from '../../fixtures/migration-corpus/safe.js';
import { type CorpusEntry, DATA, ROWS, SCHEMA } from '../../fixtures/migration-corpus/schema.js';
import { UNSAFE } from '../../fixtures/migration-corpus/unsafe.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';

/** Rules for a table that is read or rewritten under a blocking lock, or whose rows are locked. */
const MEASURED = new Set<RuleName>([
  'slow-under-lock',
  'rewrite',
  'type-change',
  'set-not-null',
  'add-not-null-column',
  'constraint-not-valid',
  'validate-same-migration',
  'volatile-default',
  'domain-column',
  'index-not-concurrent',
  'update-all-rows',
]);

interface Harm {
  /** The strongest blocking lock on a table in use. */
  lock?: string;
  isHarmful: boolean;
}

describe('migration lint: corpus on PostgreSQL', () => {
  let postgres: TestPostgres;
  let template: string;
  let shared: string;

  before(async () => {
    postgres = await sharedPostgres();
    template = await postgres.createDatabase();
    await postgres.query(`${SCHEMA};${DATA}`, template);
    shared = await postgres.copyDatabase(template);
  });

  /** Entries that are rolled back share a database. */
  const run = async (entry: CorpusEntry): Promise<Harm> => {
    const isAlone = entry.before !== undefined || !entry.transaction;
    const url = isAlone ? await postgres.copyDatabase(template) : shared;
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      if (entry.before) await client.query(entry.before);
      if (entry.transaction) return await measure(client, entry);
      for (const sql of textsOf(entry)) await client.query(sql);
      return { isHarmful: false }; // its locks are released
    } finally {
      await client.end();
    }
  };

  it('safe migrations take the locks that lint expects, and neither read nor rewrite a table under a blocking lock', async () => {
    const wrong: string[] = [];
    for (const entry of SAFE.filter(({ sql }) => !String(sql).startsWith('--'))) {
      const context = await contextOf(entry);
      await rulesOf(entry, context);
      try {
        const { isHarmful, lock } = await run(entry);
        if (isHarmful) wrong.push(`harmful: ${entry.sql}`);
        if (lock !== context.held?.mode) {
          wrong.push(`lock ${lock}, lint expected ${context.held?.mode}: ${entry.sql}`);
        }
      } catch (error) {
        wrong.push(`${(error as Error).message}: ${entry.sql}`);
      }
    }
    assert.deepEqual(wrong, []);
  });

  it('unsafe migrations read or rewrite a table under a blocking lock, or lock its rows', async () => {
    const wrong: string[] = [];
    const measured = UNSAFE.filter(
      ({ offline, rules }) => !offline && rules.some((rule) => MEASURED.has(rule)),
    );
    assert.ok(measured.length >= 40, String(measured.length));
    for (const entry of measured) {
      try {
        if (!(await run(entry)).isHarmful) wrong.push(`harmless: ${entry.rules} ${entry.sql}`);
      } catch (error) {
        wrong.push(`${(error as Error).message}: ${entry.sql}`);
      }
    }
    assert.deepEqual(wrong, []);
  });

  it('built-in functions, their volatility, and operators match the catalog', async () => {
    const rows = await postgres.query<{ name: string; volatile: boolean }>(
      `SELECT proname AS name, bool_or(provolatile = 'v') AS volatile FROM pg_proc
       WHERE pronamespace = 'pg_catalog'::regnamespace GROUP BY 1`,
      template,
    );
    const volatile = new Map(rows.map((one) => [one.name, one.volatile]));
    const special = ['greatest', 'least', 'coalesce', 'nullif', 'normalize', 'extract']; // part of the grammar
    const unknown = [...FUNCTIONS].filter((name) => !volatile.has(name) && !special.includes(name));
    assert.deepEqual(unknown, []);
    const wrong = [...FUNCTIONS].filter((name) => (volatile.get(name) ?? false) !== VOLATILE.has(name));
    assert.deepEqual(wrong, []);
    const operators = await postgres.query<{ name: string }>(
      `SELECT DISTINCT oprname AS name FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace`,
      template,
    );
    const names = new Set(operators.map(({ name }) => name));
    assert.deepEqual(
      [...OPERATORS].filter((name) => !names.has(name) && name !== '!='),
      [],
    );
    assert.deepEqual(
      [...names].filter((name) => !OPERATORS.has(name)),
      [],
    );
  });
});

async function measure(client: pg.Client, entry: CorpusEntry): Promise<Harm> {
  const { rows: tables } = await client.query<Table>(
    `SELECT oid, relkind, relfilenode FROM pg_class WHERE relkind IN ('r', 'p', 'm', 'v')
     AND relnamespace IN ('public'::regnamespace, 'app'::regnamespace)`,
  );
  await client.query('BEGIN');
  try {
    let lock: string | undefined;
    let isHarmful = false;
    let before = await workDone(client, tables); // counters of an earlier transaction may be pending
    const { written } = before;
    for (const sql of textsOf(entry).flatMap(statements)) {
      await client.query(sql);
      lock = await strongestLock(client, tables);
      const now = await workDone(client, tables);
      const isLong = now.read - before.read >= ROWS || sql.includes('pg_sleep');
      const isRewritten = !sql.startsWith('TRUNCATE') && (await areRewritten(client, tables));
      if ((lock && (isLong || isRewritten)) || now.written - written >= ROWS) isHarmful = true;
      before = now;
    }
    return { isHarmful, ...(lock && { lock }) };
  } finally {
    await client.query('ROLLBACK');
  }
}

interface Table {
  oid: number;
  relkind: string;
  relfilenode: number;
}

async function areRewritten(client: pg.Client, tables: Table[]): Promise<boolean> {
  const { rows } = await client.query<Table>('SELECT oid, relfilenode FROM pg_class WHERE oid = ANY($1)', [
    tables.map(({ oid }) => oid),
  ]);
  const before = new Map(tables.map((one) => [one.oid, one.relfilenode]));
  return rows.some((one) => before.get(one.oid) !== one.relfilenode);
}

/** The strongest lock that blocks reads or writes. EXCLUSIVE on a materialized view permits all reads. */
async function strongestLock(client: pg.Client, tables: Table[]): Promise<string | undefined> {
  const { rows } = await client.query<{ oid: number; mode: string }>(
    `SELECT DISTINCT relation AS oid, mode FROM pg_locks
     WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relation = ANY($1)`,
    [tables.map(({ oid }) => oid)],
  );
  const views = new Set(tables.filter(({ relkind }) => relkind === 'm').map(({ oid }) => oid));
  const modes = rows
    .filter(({ oid, mode }) => !views.has(oid) || mode !== 'ExclusiveLock')
    .map(({ mode }) =>
      mode
        .replace(/Lock$/, '')
        .replace(/([a-z])([A-Z])/g, '$1 $2')
        .toUpperCase(),
    );
  return LOCK_MODES.slice(LOCK_MODES.indexOf('SHARE')).findLast((mode) => modes.includes(mode));
}

async function workDone(client: pg.Client, tables: Table[]): Promise<{ read: number; written: number }> {
  const { rows } = await client.query(
    `SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::int AS read,
            coalesce(sum(n_tup_upd + n_tup_del) FILTER (WHERE relid = ANY($1)), 0)::int AS written
     FROM pg_stat_xact_user_tables`,
    [tables.map(({ oid }) => oid)],
  );
  return rows[0];
}

/** Splits a text, to measure the work of each statement under the locks of those before it. */
function statements(sql: string): string[] {
  return /\$\$|BEGIN ATOMIC/.test(sql) ? [sql] : sql.split(';').filter((one) => one.trim());
}
