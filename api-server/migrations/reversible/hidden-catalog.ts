/** Reads definitions and dependents of the objects that a contract migration drops. */
import type { Query } from '../engine/statement-gate.js';

export interface RelationRow {
  oid: number;
  /** Qualified and quoted. */
  name: string;
  /** Not quoted. */
  schema: string;
  relation: string;
  /** `pg_class.relkind`. */
  kind: string;
}

export interface ColumnRow {
  number: number;
  isNotNull: boolean;
  hasDefault: boolean;
  isGenerated: boolean;
  /** Definition of its default. */
  default: string | null;
}

export interface DependentRow {
  /** Key of the dependent object, see {@link keyOf}. */
  key: string;
  /** Key of the table or view that contains it. */
  within: string;
  description: string;
}

/** Identifies an object in `pg_depend`. */
export function keyOf(catalog: string, oid: number, sub = 0): string {
  return `${catalog}:${oid}:${sub}`;
}

export async function readRelation(query: Query, name: string): Promise<RelationRow | undefined> {
  const [row] = await query(
    `SELECT c.oid::int8::float8 AS oid, format('%I.%I', n.nspname, c.relname) AS name, n.nspname AS schema,
            c.relname AS relation, c.relkind AS kind
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)`,
    [name],
  );
  return row;
}

export async function readColumn(query: Query, table: number, name: string): Promise<ColumnRow | undefined> {
  const [row] = await query(
    `SELECT a.attnum AS number, a.attnotnull AS "isNotNull", a.atthasdef OR a.attidentity <> '' AS "hasDefault",
            a.attgenerated <> '' AS "isGenerated", pg_get_expr(d.adbin, d.adrelid) AS default
     FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = $1::oid AND a.attname = $2 AND NOT a.attisdropped AND a.attnum > 0`,
    [table, name],
  );
  return row;
}

/** A publication that sends a column of a table or of its partitions to subscribers, or undefined. */
export async function readPublication(
  query: Query,
  table: number,
  column: string,
): Promise<string | undefined> {
  // Before PostgreSQL 15 the view has no `attnames`, and publications have no lists of columns.
  const [row] = await query(
    `SELECT p.pubname AS name FROM pg_publication_tables p
     WHERE to_regclass(format('%I.%I', p.schemaname, p.tablename)) IN
             (SELECT $1::oid::regclass UNION ALL SELECT relid FROM pg_partition_tree($1::oid::regclass))
       AND coalesce(to_jsonb(p) -> 'attnames' @> to_jsonb($2::text), true)
     ORDER BY p.pubname LIMIT 1`,
    [table, column],
  );
  return row?.name;
}

/** Names of the generated columns: a BEFORE trigger can't read them. */
export async function readGeneratedColumns(query: Query, table: number): Promise<string[]> {
  const rows = await query(
    `SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::oid AND attgenerated <> '' AND NOT attisdropped`,
    [table],
  );
  return rows.map(({ name }) => name);
}

export interface ConstraintRow {
  oid: number;
  /** `pg_constraint.contype`. */
  type: string;
  definition: string;
}

export async function readConstraint(
  query: Query,
  table: number,
  name: string,
): Promise<ConstraintRow | undefined> {
  const [row] = await withoutSearchPath(query, () =>
    query(
      `SELECT oid::int8::float8 AS oid, contype AS type, pg_get_constraintdef(oid) AS definition
       FROM pg_constraint WHERE conrelid = $1::oid AND conname = $2`,
      [table, name],
    ),
  );
  return row;
}

export interface TriggerRow {
  oid: number;
  definition: string;
  /** `pg_trigger.tgenabled`. */
  enabled: string;
}

export async function readTrigger(
  query: Query,
  table: number,
  name: string,
): Promise<TriggerRow | undefined> {
  const [row] = await withoutSearchPath(query, () =>
    query(
      `SELECT oid::int8::float8 AS oid, pg_get_triggerdef(oid) AS definition, tgenabled AS enabled
       FROM pg_trigger WHERE tgrelid = $1::oid AND tgname = $2 AND NOT tgisinternal`,
      [table, name],
    ),
  );
  return row;
}

export interface RoutineRow {
  oid: number;
  /** Qualified, with its argument types. */
  signature: string;
  schema: string;
  name: string;
  /** Argument types, as in `ALTER FUNCTION`. */
  args: string;
}

/** `written`: name and argument types as in the DROP statement. */
export async function readRoutine(query: Query, written: string): Promise<RoutineRow | undefined> {
  const lookup = written.includes('(') ? 'to_regprocedure($1)' : 'to_regproc($1)';
  const [row] = await withoutSearchPath(query, async (restored) => {
    const [{ oid }] = await restored(`SELECT ${lookup}::oid::int8::float8 AS oid`, [written]);
    return query(
      `SELECT p.oid::int8::float8 AS oid, p.oid::regprocedure::text AS signature, n.nspname AS schema, p.proname AS name,
              pg_get_function_identity_arguments(p.oid) AS args
       FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = $1::oid`,
      [oid],
    );
  });
  return row;
}

export async function readType(query: Query, name: string): Promise<RelationRow | undefined> {
  const [row] = await query(
    `SELECT t.oid::int8::float8 AS oid, format('%I.%I', n.nspname, t.typname) AS name, n.nspname AS schema,
            t.typname AS relation, '' AS kind
     FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = to_regtype($1)`,
    [name],
  );
  return row;
}

export async function isUniqueIndex(query: Query, index: number): Promise<boolean> {
  const [row] = await query('SELECT indisunique AS v FROM pg_index WHERE indexrelid = $1::oid', [index]);
  return Boolean(row?.v);
}

/** The table of an index, qualified. */
export async function tableOfIndex(query: Query, index: number): Promise<string> {
  const [row] = await query(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_index i
     JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE i.indexrelid = $1::oid`,
    [index],
  );
  return row.name;
}

/**
 * Objects that depend on an object, without those that PostgreSQL drops with it: a DROP without CASCADE fails
 * because of them. `column`: 0 for the object itself, and then its columns count as well.
 */
export async function readDependents(
  query: Query,
  catalog: string,
  oid: number,
  column = 0,
): Promise<DependentRow[]> {
  const rows: { catalog: string; oid: number; sub: number; owner: number | null; description: string }[] =
    await query(
      `SELECT d.classid::regclass::text AS catalog, d.objid::int8::float8 AS oid, d.objsubid AS sub,
              coalesce(r.ev_class, k.conrelid, a.adrelid, t.tgrelid, CASE d.classid WHEN 'pg_class'::regclass THEN d.objid END)::int8::float8 AS owner,
              pg_describe_object(d.classid, d.objid, d.objsubid) AS description
       FROM pg_depend d
       LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
       LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
       LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid
       LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
       WHERE d.refclassid = $1::regclass AND d.refobjid = $2::oid AND ($3 = 0 OR d.refobjsubid = $3) AND d.deptype = 'n'`,
      [catalog, oid, column],
    );
  return rows.map(({ description, ...row }) => ({
    key:
      row.catalog === 'pg_rewrite' ? keyOf('pg_class', row.owner ?? 0) : keyOf(row.catalog, row.oid, row.sub),
    within: keyOf('pg_class', row.owner ?? 0),
    description,
  }));
}

export async function canCreateSchema(query: Query): Promise<boolean> {
  const [row] = await query("SELECT has_database_privilege(current_database(), 'CREATE') AS v");
  return row.v;
}

/**
 * Runs `read` with an empty `search_path`, so that PostgreSQL qualifies the names in definitions. `restored` runs a
 * query with the previous one.
 */
async function withoutSearchPath<T>(query: Query, read: (restored: Query) => Promise<T>): Promise<T> {
  const [{ path }] = await query("SELECT current_setting('search_path') AS path");
  const set = (value: string) => query("SELECT set_config('search_path', $1, true)", [value]);
  await set('');
  try {
    return await read(async (sql, values) => {
      await set(path);
      const rows = await query(sql, values);
      await set('');
      return rows;
    });
  } finally {
    await set(path).catch(() => undefined); // the transaction may be aborted
  }
}
