/** Rules for calls: built-in functions and operators are known by name, all others are opaque. */
import { QUERY_KINDS, type Tree, tableKey, tablesIn, texts, walk } from './ast.js';
import { FUNCTIONS, OPERATORS, VOLATILE } from './builtins.js';
import type { Facts } from './facts.js';
import type { RuleName } from './rules.js';
import { configRules } from './settings.js';

export function functionRules(kind: string, body: Tree, facts: Facts): RuleName[] {
  const found = lockAndSettingCalls(body);
  if (QUERY_KINDS.has(kind) && callsUserCode(body, facts)) found.push('opaque');
  // A function of a migration was linted when it was created, and an index accepts only immutable functions.
  if (kind === 'IndexStmt' && callsUnknown(body, facts)) found.push('opaque');
  return found;
}

/**
 * A function body may call functions of migrations, which were linted when they were created. It may
 * acquire advisory locks, because it runs in all sessions, but must not release the lock of the runner.
 */
export function functionRulesOfBody(body: Tree, facts: Facts): RuleName[] {
  const found = lockAndSettingCalls(body, /^pg_advisory_unlock/);
  if (callsUnknown(body, facts)) found.push('opaque');
  return found;
}

const ADVISORY = /^pg_(try_)?advisory_/;

function lockAndSettingCalls(body: Tree, locks = ADVISORY): RuleName[] {
  const found: RuleName[] = [];
  walk(body, (node, call) => {
    if (node !== 'FuncCall') return;
    const [, name] = nameOf(call);
    if (locks.test(name)) found.push('run-lock');
    if (name === 'set_config') found.push(...configRules(call));
  });
  return found;
}

/** True if the query calls a function or operator that is not built in. */
export function callsUserCode(query: Tree, facts: Facts): boolean {
  let found = callsAsColumn(query, facts);
  walk(query, (kind, node) => {
    const operator = operatorOf(kind, node);
    if (isCall(kind) && !isBuiltIn(node, facts)) found = true;
    if (operator && isUserOperator(operator, facts)) found = true;
    if (kind === 'RangeVar' && facts.callingViews.has(node?.relname)) found = true;
  });
  return found;
}

/** True if the query calls a function or operator that is neither built in nor created by a migration. */
function callsUnknown(query: Tree, facts: Facts): boolean {
  let found = false;
  walk(query, (kind, node) => {
    const operator = operatorOf(kind, node);
    if (isCall(kind) && !isBuiltIn(node, facts) && !facts.functions.has(nameOf(node)[1])) found = true;
    if (operator && isUserOperator(operator, facts) && !facts.operators.has(operator.at(-1) ?? '')) {
      found = true;
    }
  });
  return found;
}

/** True if the value may differ between the rows of one statement. */
export function isVolatile(expression: Tree, facts: Facts): boolean {
  let found = false;
  walk(expression, (kind, node) => {
    const operator = operatorOf(kind, node);
    if (operator && isUserOperator(operator, facts)) found = true;
    if (!isCall(kind)) return;
    const [, name] = nameOf(node);
    const isStable = isBuiltIn(node, facts) ? !VOLATILE.has(name) : facts.functions.get(name)?.isStable;
    if (!isStable) found = true;
  });
  return found;
}

/** The call of a CallStmt has the key `funccall`. */
function isCall(kind: string): boolean {
  return kind === 'FuncCall' || kind === 'funccall';
}

/** The name of the operator in `a + b`, `a + ANY (SELECT ...)`, `ORDER BY a USING <`. */
function operatorOf(kind: string, node: Tree): string[] | undefined {
  const name = { A_Expr: node?.name, SubLink: node?.operName, SortBy: node?.useOp }[kind];
  return name && texts(name);
}

/** A name without a schema resolves to the built-in function, unless a migration overloads it. */
function isBuiltIn(call: Tree, facts: Facts): boolean {
  const [schema, name] = nameOf(call);
  if (name === 'set_config' || ADVISORY.test(name)) return true; // covered by lockAndSettingCalls
  if (schema) return schema === 'pg_catalog' && FUNCTIONS.has(name);
  return FUNCTIONS.has(name) && !facts.functions.get(name)?.hasParameters;
}

function nameOf(call: Tree): [schema: string | undefined, name: string] {
  const parts = texts(call?.funcname);
  return [parts.at(-2), parts.at(-1) ?? ''];
}

function isUserOperator(parts: string[], facts: Facts): boolean {
  const [schema, operator = ''] = [parts.at(-2), parts.at(-1)];
  if (/^[A-Z ]+$/i.test(operator)) return false; // BETWEEN
  if (schema) return schema !== 'pg_catalog';
  return !OPERATORS.has(operator) || facts.operators.has(operator);
}

/** `t.f` and `(t).f` are calls of `f(t)` if the table has no such column. */
function callsAsColumn(query: Tree, facts: Facts): boolean {
  const tables = tablesIn(query);
  let found = false;
  const calls = (table: string, column: string, isRow: boolean) => {
    if (!tables.has(table) || SYSTEM_COLUMNS.has(column)) return false;
    const columns = facts.columns.get(tableKey(tables.get(table)));
    return columns ? !columns.has(column) : isRow || facts.functions.has(column);
  };
  walk(query, (kind, node) => {
    if (kind === 'ColumnRef' && node?.fields?.length > 1) {
      const [table = '', column = ''] = texts(node.fields).slice(-2);
      if (column && calls(table, column, false)) found = true;
    }
    if (kind === 'A_Indirection') {
      const row = texts(node?.arg?.ColumnRef?.fields).at(-1) ?? '';
      const [column = ''] = texts(node?.indirection);
      if (column && calls(row, column, true)) found = true;
    }
  });
  return found;
}

const SYSTEM_COLUMNS = new Set(['ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid']);
