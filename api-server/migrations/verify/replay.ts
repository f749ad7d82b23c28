/**
 * Computes the schema that the applied migrations create: PostgreSQL runs them again in a new schema,
 * inside a transaction that is rolled back. No table of the live schema is used or locked.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { walk } from '../../migration-lint/ast.js';
import { type Statement, statementsOf } from '../../migration-lint/lint.js';
import { createdNames } from '../../migration-lint/names.js';
import type { KnownMigration } from '../engine/known-migrations.js';
import { RefusedError } from '../engine/refused-error.js';
import { type Query, type SentStatement, withStatementCheck } from '../engine/statement-gate.js';
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
      await withStatementCheck(
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
  await path.set(query, extensions); // so that the names of their types equal those in the live schema
  return readCatalog(runner, schema);
}

/** Schemas with the types and functions of extensions, usually the live schema. */
async function extensionSchemas(query: Query): Promise<string[]> {
  const rows: { name: string }[] = await query(
    "SELECT DISTINCT extnamespace::regnamespace::text AS name FROM pg_extension WHERE extnamespace <> 'pg_catalog'::regnamespace",
  );
  return rows.map(({ name }) => name);
}

/** Adds the schemas of extensions to `search_path` unless a statement could resolve a live table there. */
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

  /** True if the replay's schema has all tables that these statements reference and do not create. */
  private async hasAll(query: Query, statements: Statement[]): Promise<boolean> {
    const created = new Set(statements.flatMap(({ kind, body }) => createdNames(kind, body)));
    const names = new Set<string>();
    for (const { kind, body } of statements) {
      walk({ [kind]: body }, (_kind, node) => {
        if (node?.relname && !created.has(`relation ${node.relname}`)) names.add(node.relname);
      });
    }
    const [{ all }] = await query(
      'SELECT count(*) = $2 AS all FROM pg_class WHERE relnamespace = $1::regnamespace AND relname = ANY($3)',
      [this.schema, names.size, [...names]],
    );
    return all;
  }
}

/** Kinds of statements that use only the tables they name. */
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

/** Removes CONCURRENTLY, which is not allowed in a transaction, and rejects names with a schema. */
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
