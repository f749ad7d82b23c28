/** What a run that was killed may leave of statements that are outside of a transaction. */
import type { Tree } from '../../migration-lint/ast.js';
import { statementsOf } from '../../migration-lint/lint.js';
import { RefusedError } from './refused-error.js';
import type { Query } from './statement-gate.js';

interface Found {
  isValid: boolean;
  isOfTable: boolean;
  name: string;
  definition: string;
}

/**
 * An earlier run may have built the index and been killed before it was recorded, or left it
 * invalid. What else has its name is not taken for it.
 */
export async function isBuilt(query: Query, body: Tree): Promise<boolean> {
  const [found]: Found[] = await query(
    `SELECT i.indisvalid AS "isValid", i.indrelid = t.oid AS "isOfTable", i.indexrelid::regclass::text AS name,
            pg_get_indexdef(i.indexrelid) AS definition
     FROM pg_class t JOIN pg_class c ON c.relnamespace = t.relnamespace JOIN pg_index i ON i.indexrelid = c.oid
     WHERE c.relname = $1 AND t.oid = to_regclass($2)`,
    [body.idxname, quoted(body.relation)],
  );
  if (!found) return false;
  const [existing] = await statementsOf(found.definition);
  if (!found.isOfTable || (found.isValid && shapeOf(existing?.body) !== shapeOf(body))) {
    throw new RefusedError(
      `there is another index ${found.name}: ${found.definition}; take another name, or drop that one first`,
    );
  }
  if (!found.isValid) await query(`DROP INDEX CONCURRENTLY ${found.name}`);
  return found.isValid;
}

/** REINDEX CONCURRENTLY builds beside the old index, under names of its own. */
export async function dropLeftovers(query: Query, body: Tree): Promise<void> {
  if (!body.relation) return;
  const rows: { name: string }[] = await query(
    `SELECT i.indexrelid::regclass::text AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'
       AND i.indrelid = coalesce((SELECT indrelid FROM pg_index WHERE indexrelid = to_regclass($1)), to_regclass($1))`,
    [quoted(body.relation)],
  );
  for (const { name } of rows) await query(`DROP INDEX CONCURRENTLY ${name}`);
}

/**
 * What the server writes as it was given. It writes expressions in its own way, with casts
 * and parentheses, so of these it is compared only that they are there.
 */
function shapeOf(index: Tree): string {
  const columns = (params: Tree[] = []) =>
    params.map(({ IndexElem: { name, expr, ordering } }) => {
      const column = name ?? expr?.ColumnRef?.fields?.at(-1)?.String?.sval;
      return [column ?? '(expression)', ordering === 'SORTBY_DESC'];
    });
  return JSON.stringify([
    Boolean(index?.unique),
    index?.accessMethod || 'btree',
    columns(index?.indexParams),
    columns(index?.indexIncludingParams),
    Boolean(index?.whereClause),
    Boolean(index?.nulls_not_distinct),
  ]);
}

function quoted({ schemaname, relname }: Tree): string {
  const parts = [schemaname, relname].filter(Boolean) as string[];
  return parts.map((part) => `"${part.replaceAll('"', '""')}"`).join('.');
}
