/**
 * The schema that the applied migrations make, made by PostgreSQL itself: they run again in an
 * empty schema of their own, inside a transaction that is rolled back. No table of the live
 * schema is touched or locked.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { walk } from '../../migration-lint/ast.js';
import { type Statement, statementsOf } from '../../migration-lint/lint.js';
import { createdNames } from '../../migration-lint/names.js';
import type { KnownMigration } from '../engine/known-migrations.js';
import { RefusedError } from '../engine/refused-error.js';
import { type Query, type SentStatement, withJudge } from '../engine/statement-gate.js';
import { type Catalog, readCatalog } from './catalog.js';

export async function replay(runner: QueryRunner, applied: KnownMigration[]): Promise<Catalog> {
  const schema = `pcf_verify_${crypto.randomUUID().replaceAll('-', '')}`;
  const query: Query = runner.query.bind(runner);
  await query("SET LOCAL lock_timeout = '2s'");
  await query(`CREATE SCHEMA ${schema}`);
  const extensions = await extensionSchemas(query);
  const path = new SearchPath(schema, extensions);
  await path.set(query, []);
  for (const migration of applied) {
    const instance = new migration.migration() as MigrationInterface & { backfill?: unknown };
    if (instance.backfill) continue; // there are no rows
    try {
      await withJudge(
        runner,
        migration.name,
        (statement) => sendInto(path, migration, statement),
        () => instance.up(runner),
      );
    } catch (error) {
      if (error instanceof RefusedError) throw error;
      throw new RefusedError(`${migration.name} can't be run again to compare: ${(error as Error).message}`);
    }
  }
  await path.set(query, extensions); // so that their types are named as they are of the live schema
  return readCatalog(runner, schema);
}

/** Where extensions have their types and functions, as a rule in the live schema itself. */
async function extensionSchemas(query: Query): Promise<string[]> {
  const rows: { name: string }[] = await query(
    "SELECT DISTINCT extnamespace::regnamespace::text AS name FROM pg_extension WHERE extnamespace <> 'pg_catalog'::regnamespace",
  );
  return rows.map(({ name }) => name);
}

/** What is looked up in the schema of extensions, too: nothing that could be found there and not in the replay's. */
class SearchPath {
  constructor(
    private readonly schema: string,
    private readonly extensions: string[],
  ) {}

  async set(query: Query, more: string[]): Promise<void> {
    await query(`SET LOCAL search_path = ${[this.schema, ...more].join(', ')}`);
  }

  async setFor(query: Query, statements: Statement[]): Promise<void> {
    if (this.extensions.length === 0) return;
    const isContained = statements.every(({ kind }) => CONTAINED.has(kind));
    await this.set(query, isContained && (await this.hasAll(query, statements)) ? this.extensions : []);
  }

  /** All the tables that these statements name and do not make. */
  private async hasAll(query: Query, statements: Statement[]): Promise<boolean> {
    const made = new Set(statements.flatMap(({ kind, body }) => createdNames(kind, body)));
    const names = new Set<string>();
    for (const { kind, body } of statements) {
      walk({ [kind]: body }, (_kind, node) => {
        if (node?.relname && !made.has(`relation ${node.relname}`)) names.add(node.relname);
      });
    }
    const [{ all }] = await query(
      'SELECT count(*) = $2 AS all FROM pg_class WHERE relnamespace = $1::regnamespace AND relname = ANY($3)',
      [this.schema, names.size, [...names]],
    );
    return all;
  }
}

/** Kinds of statements that reach nothing but the tables they name. */
const CONTAINED = new Set([
  'CreateStmt',
  'CreateExtensionStmt',
  'CreateDomainStmt',
  'CompositeTypeStmt',
  'AlterTableStmt',
  'IndexStmt',
  'ViewStmt',
  'InsertStmt',
  'UpdateStmt',
  'SelectStmt',
  'CreateFunctionStmt',
  'CreateTrigStmt',
]);

/** Nothing of it is concurrent in an empty schema, and nothing may reach out of it. */
async function sendInto(path: SearchPath, { name }: KnownMigration, { sql, send, query }: SentStatement) {
  const statements = await statementsOf(sql);
  for (const { body } of statements) {
    walk(body, (_kind, node) => {
      if (!node?.schemaname) return;
      throw new RefusedError(
        `${name} names the schema ${node.schemaname}, so it can't be run again elsewhere to compare; leave the schema to search_path`,
      );
    });
  }
  await path.setFor(query, statements);
  return send(sql.replace(/\bCONCURRENTLY\b/gi, ''));
}
