/** What stands in a function that a migration creates. It runs when it is called, and by then nobody judges it. */
import { type Tree, walk } from './ast.js';
import { parsePlPgSQL } from './parser.js';

export interface FunctionBody {
  /** SQL statements in it, apart from expressions. */
  statements: string[];
  /** It runs SQL that is put together when it runs, or is in a language that is not judged. */
  isOpaque: boolean;
}

/** `text` is the whole CREATE FUNCTION. */
export async function functionBody(body: Tree, text: string): Promise<FunctionBody> {
  const option = (name: string) =>
    body.options?.find((one: Tree) => one.DefElem?.defname === name)?.DefElem.arg;
  const language = option('language')?.String?.sval?.toLowerCase() ?? 'sql';
  const source: string = option('as')?.List?.items?.[0]?.String?.sval ?? '';
  if (language === 'sql') return { statements: source ? [source] : [], isOpaque: false };
  if (language !== 'plpgsql') return { statements: [], isOpaque: true };
  try {
    return inPlPgSql(await parsePlPgSQL(text));
  } catch {
    // It knows less than the server: types of the database, for instance.
    return { statements: [], isOpaque: /\bEXECUTE\b/i.test(withoutTexts(source)) };
  }
}

function inPlPgSql(tree: Tree): FunctionBody {
  const statements: string[] = [];
  let isOpaque = false;
  walk(tree, (kind, node) => {
    if (/^PLpgSQL_stmt_dyn/.test(kind) || kind === 'dynquery') isOpaque = true;
    const query = kind === 'PLpgSQL_stmt_execsql' && node?.sqlstmt?.PLpgSQL_expr?.query;
    if (query) statements.push(query);
  });
  return { statements, isOpaque };
}

function withoutTexts(source: string): string {
  return source.replace(/--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'/g, ' ');
}
