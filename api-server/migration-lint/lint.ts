/** Lints the SQL of a migration with PostgreSQL's parser (libpg-query). */
import { commandsOf, isConcurrent, kindOf, relationName, type Tree, walk } from './ast.js';
import type { LintContext } from './context.js';
import type { Facts } from './facts.js';
import { functionBody } from './function-body.js';
import { callsUserCode, functionRules, functionRulesOfBody } from './functions.js';
import { blocksTraffic, strongest } from './locks.js';
import { createdNames, findDropped } from './names.js';
import { createdTable, isOwn } from './own-tables.js';
import { parse } from './parser.js';
import { ABSOLUTE, LOCK_RULES, RULES, type RuleName } from './rules.js';
import { rulesOfKind } from './statements.js';
import { isSlow, locksOf, tableFilledBy } from './transaction.js';

export { type LintContext, type LintHistory, lintContext } from './context.js';

export interface Finding {
  rule: RuleName;
  /** Start of the statement, at most 100 characters. */
  statement: string;
  why: string;
  instead: string;
}

export interface Statement {
  kind: string;
  body: Tree;
  text: string;
}

/** Parses SQL into statements. Throws the error of the parser. */
export async function statementsOf(sql: string): Promise<Statement[]> {
  const bytes = Buffer.from(sql);
  const { stmts = [] } = await parse(sql);
  let end = 0;
  return stmts.map(({ stmt, stmt_location: from = 0, stmt_len: length }: Tree) => {
    const start = end; // the parser's location excludes the comments before a statement
    end = length ? from + length : bytes.length;
    const text = bytes
      .subarray(start, end)
      .toString('utf8')
      .replace(/^[\s;]+/, '');
    const kind = kindOf(stmt);
    return { kind, body: (stmt as Tree)[kind], text };
  });
}

export async function lintSql(sql: string, context: LintContext): Promise<Finding[]> {
  let statements: Statement[];
  try {
    statements = await statementsOf(sql);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [finding('syntax', sql, reason)];
  }
  if (!context.transaction) context.held = undefined; // each text runs in a separate transaction
  const findings: Finding[] = [];
  for (const statement of statements) findings.push(...(await lintStatement(statement, context)));
  return findings;
}

async function lintStatement(statement: Statement, context: LintContext): Promise<Finding[]> {
  const { kind, body, text } = statement;
  const allowed = allowances(text);
  const isFunction = kind === 'CreateFunctionStmt';
  if (isFunction) recordStatement(kind, body, context.facts); // it may be recursive
  const ofBody = isFunction ? await rulesOfBody(statement, context) : [];
  const names = new Set([...rulesOf(statement, context), ...ofBody, ...allowed.unexplained]);
  const tooLong = heldTooLong(statement, context);
  if (tooLong && ![...names].some((name) => LOCK_RULES.has(name))) names.add('slow-under-lock');
  recordEffects(statement, context);
  return [...names]
    .filter((name) => ABSOLUTE.has(name) || !allowed.rules.has(name))
    .map((name) => finding(name, text, name === 'slow-under-lock' ? tooLong : undefined));
}

/** `-- lint:allow drop-column: the column never reached production` */
function allowances(text: string): { rules: Set<string>; unexplained: RuleName[] } {
  const rules = new Set<string>();
  const unexplained: RuleName[] = [];
  for (const [, rule = '', reason = ''] of text.matchAll(
    /--[ \t]*lint:allow[ \t]+([\w-]+)[ \t]*:?([^\n]*)/g,
  )) {
    if (reason.trim().length >= 10 && rule in RULES) rules.add(rule);
    else unexplained.push('allow-without-reason');
  }
  return { rules, unexplained };
}

function finding(rule: RuleName, text: string, detail?: string): Finding {
  const line = text
    .replace(/--[^\n]*/g, '')
    .replace(/\s+/g, ' ')
    .trim();
  const { why, instead } = RULES[rule];
  return {
    rule,
    statement: line.length > 100 ? `${line.slice(0, 99)}…` : line,
    why: detail ? `${why}: ${detail}` : why,
    instead,
  };
}

/** Records facts about the schema that the statement changes. */
export function recordStatement(kind: string, body: Tree, facts: Facts): void {
  facts.record(kind, body);
  const isView = kind === 'ViewStmt';
  if (isView && callsUserCode(body.query, facts)) facts.callingViews.add(body.view?.relname);
}

/** Records the effects of a statement that later statements of the same migration depend on. */
function recordEffects({ kind, body }: Statement, context: LintContext): void {
  const { created, filled, made, unvalidated, facts } = context;
  const mayExist =
    body.if_not_exists || (kind === 'AlterTableStmt' && commandsOf(body).some((one) => one.missing_ok));
  const filledTable = isSlow(kind, body, context) ? tableFilledBy(kind, body) : undefined;
  context.held = strongest([context.held, ...locksOf(kind, body, context).filter(blocksTraffic)]);
  if (!body.replace && !mayExist) for (const name of createdNames(kind, body)) made.add(name);
  // IF NOT EXISTS may have found a table that is in use.
  const table = createdTable(kind, body);
  if (table && !mayExist) created.add(table);
  if (filledTable && isOwn(filledTable, created)) filled.add(relationName(filledTable));
  recordStatement(kind, body, facts);
  if (kind !== 'AlterTableStmt') return;
  for (const { def } of commandsOf(body)) {
    if (def?.Constraint?.skip_validation) unvalidated.add(def.Constraint.conname);
  }
}

function rulesOf({ kind, body }: Statement, context: LintContext): RuleName[] {
  const { phase, droppedByContracts, made, facts } = context;
  const found = [
    ...concurrency(kind, body, context),
    ...rulesOfKind(kind, body, context),
    ...functionRules(kind, body, facts),
    ...hiddenChanges(kind, body, context),
  ];
  if (phase === 'contract') return found;
  const names = createdNames(kind, body);
  if (findDropped(names, droppedByContracts)) found.push('name-reused');
  if (body.replace && !names.every((name) => made.has(name))) found.push('replace');
  return found;
}

const CHANGES_ROWS = new Set(['InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt']);

/** A function body may change rows, as triggers do. It must not be opaque, and must not change the schema. */
async function rulesOfBody({ body, text }: Statement, context: LintContext): Promise<RuleName[]> {
  const { statements, parsed, isOpaque } = await functionBody(body, text);
  const found: RuleName[] = isOpaque ? ['opaque'] : [];
  const inner = parsed.map((one) => ({ kind: kindOf(one), body: one[kindOf(one)] }));
  for (const sql of statements) {
    try {
      inner.push(...(await statementsOf(sql)));
    } catch {
      found.push('opaque');
    }
  }
  for (const one of inner) {
    found.push(...functionRulesOfBody(one.body, context.facts));
    const isCall = one.kind === 'CallStmt'; // covered by functionRulesOfBody
    if (!isCall && !CHANGES_ROWS.has(one.kind)) found.push(...rulesOfKind(one.kind, one.body, context));
  }
  return found;
}

function concurrency(kind: string, body: Tree, { transaction }: LintContext): RuleName[] {
  const concurrent = isConcurrent(kind, body);
  if (concurrent && transaction) return ['needs-own-transaction'];
  if (transaction || concurrent || kind === 'VariableSetStmt' || isRepeatable(kind, body)) return [];
  return ['outside-transaction'];
}

/** True if a rerun after a crash has the same result. */
function isRepeatable(kind: string, body: Tree): boolean {
  if (kind === 'SelectStmt') return !body.intoClause;
  if (kind === 'AlterTableStmt') {
    return commandsOf(body).every(({ subtype }) => subtype === 'AT_ValidateConstraint');
  }
  return kind === 'VacuumStmt' || (kind === 'RefreshMatViewStmt' && body.concurrent);
}

/**
 * Row changes and row locks at any depth: `WITH deleted AS (DELETE ...) SELECT`, MERGE, ON CONFLICT, FOR
 * UPDATE.
 */
function hiddenChanges(kind: string, body: Tree, { created, phase }: LintContext): RuleName[] {
  if (kind === 'CreateFunctionStmt' || kind === 'ViewStmt') return [];
  const found: RuleName[] = [];
  const isInUse = ({ relation }: Tree) => !isOwn(relation, created);
  walk({ [kind]: body }, (node, at) => {
    if (node === 'DeleteStmt' && isInUse(at)) found.push('delete-rows');
    if (node === 'UpdateStmt' && isInUse(at)) found.push('update-all-rows');
    if (node === 'MergeStmt' && isInUse(at)) found.push(...mergeRules(at));
    if (node === 'InsertStmt' && isInUse(at) && isUnboundedUpsert(at)) found.push('update-all-rows');
    if (node === 'SelectStmt' && locksRows(at, created)) found.push('row-locks');
  });
  return phase === 'contract' ? found.filter((name) => name !== 'delete-rows') : found;
}

function mergeRules({ mergeWhenClauses = [] }: Tree): RuleName[] {
  const commands: string[] = mergeWhenClauses.map((one: Tree) => one.MergeWhenClause?.commandType);
  return [
    ...(commands.includes('CMD_DELETE') ? (['delete-rows'] as const) : []),
    ...(commands.includes('CMD_UPDATE') ? (['update-all-rows'] as const) : []),
  ];
}

/** True for an upsert from a query. One with VALUES affects few rows. */
function isUnboundedUpsert({ onConflictClause, selectStmt }: Tree): boolean {
  return onConflictClause?.action === 'ONCONFLICT_UPDATE' && !selectStmt?.SelectStmt?.valuesLists;
}

function locksRows(select: Tree, created: ReadonlySet<string>): boolean {
  if (!select?.lockingClause || select.limitCount) return false;
  let found = false;
  walk(select.fromClause, (kind, node) => {
    if (kind === 'RangeVar' && !isOwn(node, created)) found = true;
  });
  return found;
}

/** The blocking lock that the transaction holds during a slow statement. */
function heldTooLong({ kind, body }: Statement, context: LintContext): string | undefined {
  const held = strongest([context.held, ...locksOf(kind, body, context).filter(blocksTraffic)]);
  return held && isSlow(kind, body, context) ? `${held.mode} on ${held.table}` : undefined;
}

export function describeFinding({ rule, statement, why, instead }: Finding): string {
  return `${rule}: ${statement}\n    because ${why}\n    instead ${instead}`;
}
