/**
 * The schema that the applied migrations make, made by PostgreSQL itself: they run again in an
 * empty schema of their own, inside a transaction that is rolled back. No table of the live
 * schema is touched or locked.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';
import type { KnownMigration } from '../known-migrations.js';
import { walk } from '../lint/ast.js';
import { statementsOf } from '../lint/lint.js';
import { RefusedError } from '../refused-error.js';
import { type Catalog, readCatalog } from './catalog.js';

type Query = QueryRunner['query'];

export async function replay(runner: QueryRunner, applied: KnownMigration[]): Promise<Catalog> {
  const schema = `pcf_verify_${crypto.randomUUID().replaceAll('-', '')}`;
  const query: Query = runner.query.bind(runner);
  await query("SET LOCAL lock_timeout = '2s'");
  await query(`CREATE SCHEMA ${schema}`);
  await query(`SET LOCAL search_path = ${schema}`);
  for (const migration of applied) {
    const instance = new migration.migration() as MigrationInterface & { backfill?: unknown };
    if (instance.backfill) continue; // there are no rows
    runner.query = ((sql: string, parameters?: unknown[]) =>
      send(query, migration, sql, parameters)) as Query;
    try {
      await instance.up(runner);
    } catch (error) {
      if (error instanceof RefusedError) throw error;
      throw new RefusedError(`${migration.name} can't be run again to compare: ${(error as Error).message}`);
    } finally {
      runner.query = query;
    }
  }
  return readCatalog(runner, schema);
}

/** Nothing of it is concurrent in an empty schema, and nothing may reach out of it. */
async function send(query: Query, { name }: KnownMigration, sql: string, parameters?: unknown[]) {
  for (const { body } of await statementsOf(sql)) {
    walk(body, (_kind, node) => {
      if (!node?.schemaname) return;
      throw new RefusedError(
        `${name} names the schema ${node.schemaname}, so it can't be run again elsewhere to compare; leave the schema to search_path`,
      );
    });
  }
  return query(sql.replace(/\bCONCURRENTLY\b/gi, ''), parameters as never);
}
