/** The trigger that keeps hidden columns in sync with the columns that the new version writes. Pure. */
import type { RelationRow } from './hidden-catalog.js';
import { quoteIdent } from './hidden-names.js';

export interface SyncedColumn {
  /** Name of the hidden column. */
  hidden: string;
  /** Expression over the columns of the table. */
  expression: string;
  /** Columns that the expression reads. */
  reads: string[];
  /** Whether `reads` are columns of the table, and all that it depends on. */
  readsColumnsOnly: boolean;
  isNotNull: boolean;
}

export interface SyncTrigger {
  create: string[];
  drop: string[];
  /** Like `drop`, if the table may be hidden itself. */
  purge: string[];
  /** Sequence that counts the values that a hidden column can't store. */
  lostCounter: string;
}

/** `name`: of the function. Of the table: `name` is qualified and quoted, `schema` and `relation` are not quoted. */
export function syncTrigger(
  name: string,
  { name: table, schema, relation }: Pick<RelationRow, 'name' | 'schema' | 'relation'>,
  columns: readonly SyncedColumn[],
): SyncTrigger {
  const qualified = (object: string) => `${quoteIdent(schema)}.${quoteIdent(object)}`;
  const lostCounter = qualified(`${name}_lost`);
  const body = columns.map((column) => assignment(column, quoteIdent(relation), lostCounter)).join('\n');
  const tag = dollarTag(body);
  // "~" sorts after letters: the trigger reads what the other BEFORE triggers have written.
  const trigger = quoteIdent(`~${name}`);
  return {
    create: [
      `CREATE SEQUENCE ${lostCounter}`,
      `GRANT USAGE ON SEQUENCE ${lostCounter} TO PUBLIC`, // the role of the API may differ from that of migrations
      `CREATE FUNCTION ${qualified(name)}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS ${tag}
#variable_conflict use_column
BEGIN
${body}
  RETURN NEW;
END ${tag}`,
      `CREATE TRIGGER ${trigger} BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION ${qualified(name)}()`,
    ],
    drop: [
      `DROP TRIGGER ${trigger} ON ${table}`,
      `DROP FUNCTION ${qualified(name)}()`,
      `DROP SEQUENCE ${lostCounter}`,
    ],
    purge: [
      `DROP TRIGGER IF EXISTS ${trigger} ON ${table}`,
      `DROP FUNCTION IF EXISTS ${qualified(name)}() CASCADE`, // the trigger on a hidden table
      `DROP SEQUENCE IF EXISTS ${lostCounter}`,
    ],
    lostCounter,
  };
}

/**
 * The hidden value changes only if a column that the expression reads changes: an unrelated update retains what the
 * expression can't compute, and does not evaluate it. A value that a nullable hidden column can't store becomes NULL and is counted, so that the write succeeds.
 */
function assignment(
  { hidden, expression, reads, readsColumnsOnly, isNotNull }: SyncedColumn,
  relation: string,
  lostCounter: string,
): string {
  const target = `NEW.${quoteIdent(hidden)}`;
  const value = (row: 'NEW' | 'OLD', cast = '') =>
    `(SELECT (${expression}\n)${cast} FROM (SELECT ${row}.*) AS ${relation})`;
  const compared = readsColumnsOnly
    ? reads.map(quoteIdent).map((column) => [`NEW.${column}::text`, `OLD.${column}::text`])
    : [[value('NEW', '::text'), value('OLD', '::text')]];
  const isChanged = compared.map(([after, before]) => `${after} IS DISTINCT FROM ${before}`).join(' OR ');
  const assign = `
  IF TG_OP = 'INSERT' THEN
    ${target} := ${value('NEW')};
  ELSIF ${isChanged} THEN
    ${target} := ${value('NEW')};
  END IF;`;
  if (isNotNull) return assign;
  return `
  BEGIN${assign}
  EXCEPTION WHEN data_exception OR undefined_column THEN
    PERFORM nextval(${literal(lostCounter)});
    ${target} := NULL;
  END;`;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function dollarTag(body: string): string {
  let tag = '$sync$';
  for (let n = 1; body.includes(tag); n++) tag = `$sync${n}$`;
  return tag;
}
