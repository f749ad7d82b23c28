/** Tables that the migration creates. */
import { relationName, type Tree } from './ast.js';

/** True for a table that the migration creates: no other session uses it yet. */
export function isOwn(relation: Tree, created: ReadonlySet<string>): boolean {
  if (!relation?.relname) return false;
  const { schemaname: schema, relname } = relation;
  if (!schema) return [relname, `public.${relname}`, `pg_temp.${relname}`].some((name) => created.has(name));
  return created.has(relationName(relation)) || (schema === 'public' && created.has(relname));
}

/** The name of the table that a statement creates. Temporary tables have the schema pg_temp. */
export function createdTable(kind: string, body: Tree): string | undefined {
  const relation = createdRelation(kind, body);
  if (!relation) return undefined;
  return isTemporary(relation) ? `pg_temp.${relation.relname}` : relationName(relation);
}

function createdRelation(kind: string, body: Tree): Tree {
  if (kind === 'CreateStmt') return body.relation;
  return kind === 'CreateTableAsStmt' ? body.into?.rel : kind === 'SelectStmt' && body.intoClause?.rel;
}

export function isTemporary(relation: Tree): boolean {
  return relation?.relpersistence === 't' || relation?.schemaname === 'pg_temp';
}
