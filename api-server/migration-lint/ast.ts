/** Accessors for the parse trees of libpg-query. */

/** A node: its only key is its kind. Not typed, because the rules use a few of hundreds of kinds. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Tree = any;

export function kindOf(node: Tree): string {
  return Object.keys(node ?? {})[0] ?? '';
}

/** Calls `visit` for this node and all its descendants. */
export function walk(node: Tree, visit: (kind: string, body: Tree) => void): void {
  if (Array.isArray(node)) {
    for (const one of node) walk(one, visit);
  } else if (node && typeof node === 'object') {
    for (const [kind, body] of Object.entries(node)) {
      visit(kind, body);
      walk(body, visit);
    }
  }
}

/** `schema.table`, or `table` alone. */
export function relationName(relation: Tree): string {
  return [relation?.schemaname, relation?.relname].filter(Boolean).join('.');
}

/** `schema.table`. A name without a schema means `public`. */
export function tableKey({ schemaname, relname }: Tree): string {
  return `${schemaname ?? 'public'}.${relname}`;
}

/** Values of a list of String nodes: a qualified name, or the columns of a constraint. */
export function texts(nodes: Tree[] = []): string[] {
  return nodes.map((one) => one.String?.sval ?? '');
}

/** Kinds of statements that read rows and execute their calls. Others, such as CREATE VIEW, store their query. */
export const QUERY_KINDS: ReadonlySet<string> = new Set([
  'SelectStmt',
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
  'CreateTableAsStmt',
  'ExplainStmt',
  'CopyStmt',
]);

export function commandsOf(alterTable: Tree): Tree[] {
  return (alterTable.cmds ?? []).map((one: Tree) => one.AlterTableCmd).filter(Boolean);
}

export function constraintsOf(column: Tree): Tree[] {
  return (column?.constraints ?? []).map((one: Tree) => one.Constraint).filter(Boolean);
}

/** The tables of a query by alias, without CTEs and tables whose columns have aliases. */
export function tablesIn(query: Tree): Map<string, Tree> {
  const tables = new Map<string, Tree>();
  const others = new Set<string>();
  walk(query, (kind, node) => {
    if (kind === 'CommonTableExpr') others.add(node.ctename);
    if (kind !== 'RangeVar' && kind !== 'relation') return;
    const name = node?.alias?.aliasname ?? node?.relname;
    if (node?.alias?.colnames) others.add(name);
    tables.set(name, node);
  });
  for (const name of others) tables.delete(name);
  return tables;
}

/** True for `NULL`, also with a cast. */
export function isNull(expression: Tree): boolean {
  return expression?.TypeCast ? isNull(expression.TypeCast.arg) : Boolean(expression?.A_Const?.isnull);
}

/** True for `(FULL)`, false for `(FULL false)`. */
export function hasOption(options: Tree[] = [], name: string): boolean {
  return options.some(({ DefElem: { defname, arg } }) => {
    const value = arg?.String?.sval ?? arg?.Integer?.ival ?? arg?.Boolean?.boolval ?? true;
    return defname === name && !['false', 'off', '0', 0, false].includes(value);
  });
}

/**
 * True for a statement that PostgreSQL runs only outside of a transaction block, and that blocks neither
 * reads nor writes.
 */
export function isConcurrent(kind: string, body: Tree): boolean {
  switch (kind) {
    case 'IndexStmt':
    case 'DropStmt':
      return Boolean(body.concurrent);
    case 'ReindexStmt':
      return hasOption(body.params, 'concurrently');
    case 'VacuumStmt':
      return Boolean(body.is_vacuumcmd) && !hasOption(body.options, 'full');
    case 'AlterTableStmt':
      return commandsOf(body).some(({ def }) => def?.PartitionCmd?.concurrent);
    default:
      return false;
  }
}
