/**
 * Statements in the body of a function. They are linted when the function is created, because a call contains
 * only its name.
 */
import { type Tree, texts, walk } from './ast.js';
import { parsePlPgSQL } from './parser.js';

export interface FunctionBody {
  /** SQL text. An expression is the SELECT that computes it. */
  statements: string[];
  /** Parsed statements of a SQL-standard body: `BEGIN ATOMIC`, `RETURN x`. */
  parsed: Tree[];
  /** True for dynamic SQL, a language other than SQL and PL/pgSQL, and a body that the parser rejects. */
  isOpaque: boolean;
}

/** `text` is the complete CREATE FUNCTION statement. */
export async function functionBody(body: Tree, text: string): Promise<FunctionBody> {
  const option = (name: string) =>
    body.options?.find((one: Tree) => one.DefElem?.defname === name)?.DefElem.arg;
  if (body.sql_body) return { statements: [], parsed: statementsIn(body.sql_body), isOpaque: false };
  const language = option('language')?.String?.sval?.toLowerCase() ?? 'sql';
  const [source = ''] = texts(option('as')?.List?.items);
  if (language === 'sql') return { statements: source ? [source] : [], parsed: [], isOpaque: false };
  if (language !== 'plpgsql') return { statements: [], parsed: [], isOpaque: true };
  try {
    return inPlPgSql(await parsePlPgSQL(text));
  } catch {
    return { statements: [], parsed: [], isOpaque: true };
  }
}

function statementsIn(body: Tree): Tree[] {
  if (body.List) return body.List.items.flatMap(statementsIn);
  return [body.ReturnStmt ? { SelectStmt: { targetList: [body.ReturnStmt.returnval] } } : body];
}

function inPlPgSql(tree: Tree): FunctionBody {
  const statements: string[] = [];
  let isOpaque = false;
  walk(tree, (kind, node) => {
    if (/^PLpgSQL_stmt_dyn/.test(kind) || kind === 'dynquery') isOpaque = true;
    if (kind === 'PLpgSQL_expr' && node?.query) statements.push(asStatement(node));
  });
  return { statements, parsed: [], isOpaque };
}

/** The parse modes are those of PostgreSQL's RawParseMode: 0 is a statement, 2 an expression, 3 and above an assignment. */
function asStatement({ query, parseMode = 0 }: { query: string; parseMode?: number }): string {
  if (parseMode === 0) return query;
  return parseMode === 2 ? `SELECT ${query}` : `SELECT ${query.replace(/:?=/, ',')}`;
}
