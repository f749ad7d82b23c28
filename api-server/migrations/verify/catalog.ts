/** Reads a schema from PostgreSQL's catalog: one line per object that a migration can create. */
import type { QueryRunner } from 'typeorm';
import { BACKFILLS_TABLE } from '../engine/backfill.js';
import { MIGRATIONS_TABLE } from '../engine/table.js';
import { HIDDEN_TABLE } from '../reversible/hidden-changes.js';
import { HIDDEN_PREFIX } from '../reversible/hidden-names.js';

/** `column services.name` -> `text NOT NULL` */
export type Catalog = Map<string, string>;

/** Tables of the runner and of TypeORM. */
const EXCLUDED = [MIGRATIONS_TABLE, BACKFILLS_TABLE, HIDDEN_TABLE, 'typeorm_metadata'];

const TABLE = `c.relnamespace = $1::regnamespace AND c.relname <> ALL($2) AND c.relkind IN ('r', 'p')`;
/** Excludes objects that belong to an extension. */
const OWN = (catalog: string, oid: string) =>
  `NOT EXISTS (SELECT FROM pg_depend WHERE classid = '${catalog}'::regclass AND objid = ${oid} AND deptype = 'e')`;

const QUERIES: Record<string, string> = {
  table: `SELECT c.relname AS name, '' AS says FROM pg_class c WHERE ${TABLE} AND ${OWN('pg_class', 'c.oid')}`,
  column: `SELECT c.relname || '.' || a.attname AS name,
      format_type(a.atttypid, a.atttypmod)
      || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
      || coalesce(CASE a.attgenerated WHEN '' THEN ' DEFAULT ' ELSE ' GENERATED ' END || pg_get_expr(d.adbin, d.adrelid), '')
      || CASE a.attidentity WHEN '' THEN '' ELSE ' IDENTITY' END AS says
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE ${TABLE} AND a.attnum > 0 AND NOT a.attisdropped AND ${OWN('pg_class', 'c.oid')}`,
  index: `SELECT i.indexrelid::regclass::text AS name,
      pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END AS says
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE ${TABLE} AND ${OWN('pg_class', 'c.oid')}`,
  // NOT NULL (type n) is part of the column; the names of these constraints differ between versions of PostgreSQL.
  constraint: `SELECT c.relname || '.' || k.conname AS name, pg_get_constraintdef(k.oid) AS says
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE ${TABLE} AND k.contype <> 'n'`,
  trigger: `SELECT c.relname || '.' || t.tgname AS name,
      pg_get_triggerdef(t.oid) || CASE t.tgenabled WHEN 'D' THEN ' DISABLED' ELSE '' END AS says
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE ${TABLE} AND NOT t.tgisinternal`,
  view: `SELECT c.relname AS name, pg_get_viewdef(c.oid) AS says FROM pg_class c
    WHERE c.relnamespace = $1::regnamespace AND c.relname <> ALL($2) AND c.relkind IN ('v', 'm') AND ${OWN('pg_class', 'c.oid')}`,
  function: `SELECT p.oid::regprocedure::text AS name, pg_get_function_result(p.oid) || ' ' || p.prosrc AS says
    FROM pg_proc p WHERE p.pronamespace = $1::regnamespace AND p.proname <> ALL($2) AND p.prokind IN ('f', 'p') AND ${OWN('pg_proc', 'p.oid')}`,
  type: `SELECT t.typname AS name, string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) AS says
    FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid
    WHERE t.typnamespace = $1::regnamespace AND t.typname <> ALL($2) AND ${OWN('pg_type', 't.oid')} GROUP BY t.typname`,
};

export async function readCatalog(runner: QueryRunner, schema: string): Promise<Catalog> {
  const catalog: Catalog = new Map();
  const withoutSchema = (text: string) => text.replaceAll(`"${schema}".`, '').replaceAll(`${schema}.`, '');
  for (const [kind, sql] of Object.entries(QUERIES)) {
    const rows: { name: string; says: string | null }[] = await runner.query(sql, [
      `"${schema.replaceAll('"', '""')}"`,
      EXCLUDED,
    ]);
    for (const { name, says: definition } of rows) {
      if (name.includes(HIDDEN_PREFIX) || definition?.includes(HIDDEN_PREFIX)) continue; // contract has hidden it
      catalog.set(`${kind} ${withoutSchema(name)}`, withoutSchema(definition ?? ''));
    }
  }
  return catalog;
}
