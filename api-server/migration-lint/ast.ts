/** The little that the rules read from the trees of libpg-query. */

/** A node: its one key is its kind. Typed loosely, since the rules look at a few of hundreds of kinds. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Tree = any;

export function kindOf(node: Tree): string {
  return Object.keys(node ?? {})[0] ?? '';
}

/** Calls `visit` with every node below, and at, this one. */
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

export function constraintsOf(column: Tree): Tree[] {
  return (column?.constraints ?? []).map((one: Tree) => one.Constraint).filter(Boolean);
}

/** Functions that give the same for all rows of one statement. Any other one might not. */
const STABLE = new Set([
  'now',
  'current_setting',
  'transaction_timestamp',
  'statement_timestamp',
  'to_timestamp',
  'lower',
  'upper',
]);

export function isVolatile(expression: Tree): boolean {
  let found = false;
  walk(expression, (kind, body) => {
    if (kind !== 'FuncCall') return;
    const name = body.funcname?.at(-1)?.String?.sval;
    if (!STABLE.has(name)) found = true;
  });
  return found;
}

export function isConcurrent(kind: string, body: Tree): boolean {
  if (kind === 'ReindexStmt') {
    return (body.params ?? []).some((one: Tree) => one.DefElem?.defname === 'concurrently');
  }
  return Boolean(body.concurrent);
}
