/** Cleans up after a killed run: indexes of statements that do not run in a transaction. */
import type { Tree } from '../../migration-lint/ast.js';
import { type Statement, statementsOf } from '../../migration-lint/lint.js';
import { RefusedError } from './refused-error.js';
import type { Query } from './statement-gate.js';

interface Found {
  isValid: boolean;
  isOfTable: boolean;
  name: string;
  definition: string;
}

/**
 * True if a killed run has built this index, but not recorded the migration. Drops it if it is invalid.
 * Throws a `RefusedError` if another index has the name.
 */
export async function isBuilt(query: Query, statement: Statement): Promise<boolean> {
  const { idxname, relation } = statement.body;
  const [found]: Found[] = await query(
    `SELECT i.indisvalid AS "isValid", i.indrelid = t.oid AS "isOfTable", i.indexrelid::regclass::text AS name,
            pg_get_indexdef(i.indexrelid) AS definition
     FROM pg_class t JOIN pg_class c ON c.relnamespace = t.relnamespace JOIN pg_index i ON i.indexrelid = c.oid
     WHERE c.relname = $1 AND t.oid = to_regclass($2)`,
    [idxname, quoted(relation)],
  );
  if (!found) return false;
  const isOther =
    !found.isOfTable ||
    (found.isValid && withoutNames(found.definition) !== (await definitionOf(query, statement)));
  if (isOther) {
    throw new RefusedError(
      `there is another index ${found.name}: ${found.definition}; use another name, or drop that index first`,
    );
  }
  if (!found.isValid) await query(`DROP INDEX CONCURRENTLY ${found.name}`);
  return found.isValid;
}

/** Drops the invalid indexes of a killed REINDEX CONCURRENTLY, which have the suffix `_ccnew` or `_ccold`. */
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

const COPY = 'pg_temp.pcf_index_copy';

/**
 * The index definition that PostgreSQL derives from the statement. It is created on an empty temporary
 * copy of the table, so that WHERE, expressions, operator classes, collations, sort order and INCLUDE
 * are compared in the server's normal form.
 */
async function definitionOf(query: Query, { body, text }: Statement): Promise<string> {
  await query(`CREATE TABLE ${COPY} (LIKE ${quoted(body.relation)})`);
  try {
    await query(await onCopy(text));
    const [{ definition }] = await query(
      'SELECT pg_get_indexdef(indexrelid) AS definition FROM pg_index WHERE indrelid = $1::regclass',
      [COPY],
    );
    return withoutNames(definition);
  } finally {
    await query(`DROP TABLE ${COPY}`);
  }
}

/** Replaces the table of the statement with the copy. Locations of the parser are byte offsets. */
async function onCopy(text: string): Promise<string> {
  const [statement] = await statementsOf(text);
  const { location = 0 } = statement?.body.relation ?? {};
  const bytes = Buffer.from(text);
  const rest = bytes.subarray(location).toString('utf8');
  const name = /^(?:"(?:[^"]|"")*"|[\w$\u0080-\uffff]+)(?:\s*\.\s*(?:"(?:[^"]|"")*"|[\w$\u0080-\uffff]+))*/;
  return `${bytes.subarray(0, location).toString('utf8')}${rest.replace(name, COPY)}`;
}

/** Removes the names of the index and the table from the definition. */
function withoutNames(definition: string): string {
  const isUnique = definition.startsWith('CREATE UNIQUE ');
  return `${isUnique ? 'UNIQUE' : ''}${definition.slice(definition.indexOf(' USING '))}`;
}

function quoted({ schemaname, relname }: Tree): string {
  const parts = [schemaname, relname].filter(Boolean) as string[];
  return parts.map((part) => `"${part.replaceAll('"', '""')}"`).join('.');
}
