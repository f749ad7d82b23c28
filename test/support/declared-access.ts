/** Compares the access that callers declare with their SQL, as PostgreSQL's own parser reads it. */
import type { Access } from '../../api-server/database/access.js';
import { StatementRouter } from '../../api-server/database/routing/statement-router.js';
import { relationName, type Tree, walk } from '../../api-server/migration-lint/ast.js';
import { parse } from '../../api-server/migration-lint/parser.js';

/** Access of SQL that a test runs itself, which is not compared. */
export const TEST_ACCESS: Access = { mode: 'write', tables: [] };

const WRITES = new Set(['InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt', 'lockingClause']);
const FUNCTIONS_WITH_EFFECT = new Set(['pg_notify', 'nextval', 'setval']);

/** Texts of the statements that were compared. */
export const comparedStatements = new Set<string>();
let isComparing = false;

/** From now on, statements of this process whose access is declared wrongly are rejected. */
export function compareDeclaredAccess(): void {
  if (isComparing) return;
  isComparing = true;
  const { run } = StatementRouter.prototype;
  StatementRouter.prototype.run = async function (access, text, values) {
    if (access !== TEST_ACCESS && !comparedStatements.has(text)) await compare(access, text);
    return run.call(this, access, text, values);
  };
}

async function compare(access: Access, text: string): Promise<void> {
  comparedStatements.add(text);
  const { mode, tables } = await accessIn(text);
  const missing = tables.filter((table) => !access.tables.includes(table));
  // TypeORM reads properties of the server as a write, when it is initialized.
  const isWrong = mode !== access.mode && tables.length > 0;
  if (!isWrong && missing.length === 0) return;
  throw new Error(`declared ${JSON.stringify(access)}, but it uses ${mode} ${tables.join(', ')}: ${text}`);
}

/** The access of a statement. */
export async function accessIn(text: string): Promise<Access> {
  const tables = new Set<string>();
  const local = new Set<string>();
  let mode: Access['mode'] = 'read';
  walk(((await parse(text)) as Tree).stmts, (kind, body) => {
    if (WRITES.has(kind)) mode = 'write';
    if (kind === 'FuncCall' && FUNCTIONS_WITH_EFFECT.has(body.funcname?.at(-1)?.String?.sval)) mode = 'write';
    if (kind === 'CommonTableExpr') local.add(body.ctename);
    if (typeof body?.relname === 'string') tables.add(relationName(body));
  });
  return { mode, tables: [...tables].filter((table) => !local.has(table)) };
}
