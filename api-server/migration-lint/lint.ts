/** Judges the SQL of a migration by PostgreSQL's own grammar (libpg-query is the server's parser). */
import type { MigrationPhase } from '../../contract/image.js';
import { alterTableRules } from './alter-table.js';
import { isConcurrent, kindOf, relationName, type Tree, walk } from './ast.js';
import { functionBody } from './function-body.js';
import { functionRules, RUNNERS_SETTINGS } from './functions.js';
import { createdNames, dropped } from './names.js';
import { parse } from './parser.js';
import { ABSOLUTE, RULES, type RuleName } from './rules.js';

export interface Finding {
  rule: RuleName;
  /** The statement's start, for a person to find it. */
  statement: string;
  why: string;
  instead: string;
}

export interface Statement {
  kind: string;
  body: Tree;
  text: string;
}

/** What is known of the migration that the SQL belongs to; `created` grows as it is read. */
export interface LintContext {
  phase: MigrationPhase;
  transaction: boolean;
  /** Tables the migration made itself: nobody uses them yet, so no lock hurts. */
  created: Set<string>;
  /** All that it made itself, as `createdNames` has it. */
  made: Set<string>;
  /** Names that older contracts, which may still have to run, drop. */
  doomed: ReadonlySet<string>;
  /** Constraints it added NOT VALID. */
  unvalidated: Set<string>;
}

export function lintContext(
  phase: MigrationPhase,
  transaction: boolean,
  doomed: ReadonlySet<string> = new Set(),
): LintContext {
  return { phase, transaction, created: new Set(), made: new Set(), doomed, unvalidated: new Set() };
}

/** The statements in a text. Throws the parser's error. */
export async function statementsOf(sql: string): Promise<Statement[]> {
  const bytes = Buffer.from(sql);
  const { stmts = [] } = await parse(sql);
  let end = 0;
  return stmts.map(({ stmt, stmt_location: from = 0, stmt_len: length }: Tree) => {
    const start = end; // the parser's location leaves out the comments before a statement
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
    return [{ ...finding('syntax', sql), why: `${RULES.syntax.why}: ${reason}` }];
  }
  const findings: Finding[] = [];
  for (const statement of statements) findings.push(...(await lintStatement(statement, context)));
  return findings;
}

async function lintStatement(statement: Statement, context: LintContext): Promise<Finding[]> {
  const allowed = allowances(statement.text);
  const body = context.phase === 'contract' ? [] : await rulesOfBody(statement, context);
  const names = new Set([...rulesOf(statement, context), ...body, ...allowed.unexplained]);
  note(statement, context);
  return [...names]
    .filter((name) => ABSOLUTE.has(name) || !allowed.rules.has(name))
    .map((name) => finding(name, statement.text));
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

function finding(rule: RuleName, text: string): Finding {
  const line = text
    .replace(/--[^\n]*/g, '')
    .replace(/\s+/g, ' ')
    .trim();
  return { rule, statement: line.length > 100 ? `${line.slice(0, 99)}…` : line, ...RULES[rule] };
}

/** Remembers what later statements of the same migration may build on. */
function note({ kind, body }: Statement, context: LintContext): void {
  if (!body.replace && !body.if_not_exists) {
    for (const name of createdNames(kind, body)) context.made.add(name);
  }
  // IF NOT EXISTS may have found a table that is in use.
  if (kind === 'CreateStmt' && !body.if_not_exists) context.created.add(relationName(body.relation));
  if (kind !== 'AlterTableStmt') return;
  for (const { AlterTableCmd: command } of body.cmds ?? []) {
    const constraint = command?.def?.Constraint;
    if (constraint?.skip_validation) context.unvalidated.add(constraint.conname);
  }
}

const CHANGES_ROWS = new Set(['InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt']);

/** Kinds that add, or only read. */
const ADDITIVE = new Set([
  'CreateStmt',
  'CreateEnumStmt',
  'CreateDomainStmt',
  'CreateSchemaStmt',
  'CreateSeqStmt',
  'CreateExtensionStmt',
  'CreateFunctionStmt',
  'CreateTrigStmt',
  'CreateStatsStmt',
  'CompositeTypeStmt',
  'CommentStmt',
  'InsertStmt',
  'SelectStmt',
  'ViewStmt',
  'VariableShowStmt',
]);

function rulesOf({ kind, body }: Statement, context: LintContext): RuleName[] {
  const found = [
    ...concurrency(kind, body, context),
    ...rulesOfKind(kind, body, context),
    ...functionRules(kind, body),
  ];
  if (context.phase === 'contract') return found;
  const names = createdNames(kind, body);
  if (dropped(names, context.doomed)) found.push('name-reused');
  if (body.replace && !names.every((name) => context.made.has(name))) found.push('replace');
  found.push(...hiddenChanges({ [kind]: body }, context));
  return found;
}

/** A function may change rows when it is called, as triggers do, but it must be readable, and must not change the schema. */
async function rulesOfBody({ kind, body, text }: Statement, context: LintContext): Promise<RuleName[]> {
  if (kind !== 'CreateFunctionStmt') return [];
  const { statements, isOpaque } = await functionBody(body, text);
  const found: RuleName[] = isOpaque ? ['opaque'] : [];
  for (const sql of statements) {
    const inner = await statementsOf(sql).catch(() => []); // the server judges it when it is created
    for (const one of inner) {
      if (!CHANGES_ROWS.has(one.kind)) found.push(...rulesOfKind(one.kind, one.body, context));
    }
  }
  return found;
}

function concurrency(kind: string, body: Tree, { transaction }: LintContext): RuleName[] {
  const concurrent = isConcurrent(kind, body);
  if (concurrent && transaction) return ['needs-own-transaction'];
  if (transaction || concurrent || kind === 'SelectStmt' || kind === 'VariableSetStmt') return [];
  const validates =
    kind === 'AlterTableStmt' &&
    body.cmds.every((one: Tree) => one.AlterTableCmd.subtype === 'AT_ValidateConstraint');
  return validates ? [] : ['outside-transaction'];
}

function rulesOfKind(kind: string, body: Tree, context: LintContext): RuleName[] {
  const { phase, created } = context;
  const expanding = phase !== 'contract';
  const ownTable = body.relation && created.has(relationName(body.relation));
  switch (kind) {
    case 'CreateStmt':
      return expanding ? inherits(body, created) : [];
    case 'AlterTableStmt':
      return alterTable(body, context);
    case 'IndexStmt':
      return [
        ...(body.idxname ? [] : (['index-without-name'] as const)),
        ...(ownTable || body.concurrent ? [] : (['index-not-concurrent'] as const)),
      ];
    case 'DropStmt':
      if (body.removeType === 'OBJECT_INDEX') return body.concurrent ? [] : ['drop-index-not-concurrent'];
      return expanding ? ['drop'] : [];
    case 'ReindexStmt':
      return isConcurrent(kind, body) ? [] : ['rewrite'];
    case 'RenameStmt':
    case 'AlterObjectSchemaStmt':
      return ownTable ? [] : ['rename'];
    case 'AlterEnumStmt':
      return body.oldVal ? ['rename'] : [];
    case 'TruncateStmt':
    case 'DeleteStmt':
      return expanding ? ['delete-rows'] : [];
    case 'UpdateStmt':
      return ownTable ? [] : ['update-all-rows'];
    case 'GrantStmt':
      return body.is_grant || !expanding ? [] : ['drop'];
    case 'DropdbStmt':
    case 'DropOwnedStmt':
    case 'DropRoleStmt':
      return ['drop'];
    case 'VacuumStmt':
      return body.is_vacuumcmd ? ['rewrite'] : [];
    case 'ClusterStmt':
    case 'RefreshMatViewStmt':
      return ['rewrite'];
    case 'LockStmt':
      return ['table-lock'];
    case 'VariableSetStmt':
      return RUNNERS_SETTINGS.test(body.name) || body.kind === 'VAR_RESET_ALL' ? ['lock-timeout'] : [];
    case 'DiscardStmt':
      return ['run-lock'];
    case 'TransactionStmt':
      return ['transaction-control'];
    case 'DoStmt':
    case 'CallStmt':
    case 'ExecuteStmt':
      return ['opaque'];
    default:
      return ADDITIVE.has(kind) || !expanding ? [] : ['unknown-statement'];
  }
}

function alterTable(body: Tree, { phase, created, unvalidated }: LintContext): RuleName[] {
  if (created.has(relationName(body.relation))) return [];
  return (body.cmds ?? []).flatMap(({ AlterTableCmd: command }: Tree): RuleName[] => {
    if (command.subtype === 'AT_ValidateConstraint' && unvalidated.has(command.name)) {
      return ['validate-same-migration'];
    }
    return alterTableRules(command, phase);
  });
}

/** A partition of, or a table that inherits from, one that is in use. */
function inherits(body: Tree, created: Set<string>): RuleName[] {
  const parents: Tree[] = body.inhRelations ?? [];
  return parents.every((one) => created.has(relationName(one.RangeVar))) ? [] : ['attach-partition'];
}

/** `WITH gone AS (DELETE ...) SELECT` deletes, too; so do MERGE and ON CONFLICT change rows. */
function hiddenChanges(statement: Tree, { created }: LintContext): RuleName[] {
  const found: RuleName[] = [];
  const isOwn = ({ relation }: Tree) => created.has(relationName(relation));
  walk(statement, (kind, body) => {
    if (kind === 'DeleteStmt') found.push('delete-rows');
    if (kind === 'UpdateStmt' && !isOwn(body)) found.push('update-all-rows');
    if (kind === 'MergeWhenClause' && body.commandType === 'CMD_DELETE') found.push('delete-rows');
    if (kind === 'MergeWhenClause' && body.commandType === 'CMD_UPDATE') found.push('update-all-rows');
    if (kind === 'InsertStmt' && !isOwn(body) && upserts(body)) found.push('update-all-rows');
  });
  return found;
}

/** As many rows as a query finds; those that are written out are few. */
function upserts({ onConflictClause, selectStmt }: Tree): boolean {
  return onConflictClause?.action === 'ONCONFLICT_UPDATE' && !selectStmt?.SelectStmt?.valuesLists;
}

export function describeFinding({ rule, statement, why, instead }: Finding): string {
  return `${rule}: ${statement}\n    because ${why}\n    instead ${instead}`;
}
