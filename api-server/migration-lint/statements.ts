/** Rules per kind of statement. */
import { alterTableRules } from './alter-table.js';
import { commandsOf, hasOption, isConcurrent, isNull, type Tree, tableKey, texts } from './ast.js';
import type { LintContext } from './context.js';
import type { Facts } from './facts.js';
import { droppedNames } from './names.js';
import { isOwn, isTemporary } from './own-tables.js';
import type { RuleName } from './rules.js';
import { variableRules } from './settings.js';
import { droppedFrom } from './transaction.js';

/** Kinds that add objects or rows, or only read. */
const ADDITIVE = new Set([
  'CreateTableAsStmt',
  'CreateEnumStmt',
  'CreateRangeStmt',
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
  'MergeStmt',
  'UpdateStmt',
  'ViewStmt',
  'VariableShowStmt',
  'NotifyStmt',
]);

export function rulesOfKind(kind: string, body: Tree, context: LintContext): RuleName[] {
  const { phase, created } = context;
  const isBeforeContract = phase !== 'contract';
  const ownTable = isOwn(body.relation, created);
  if (staysInSession(kind, body)) return ['session-state'];
  switch (kind) {
    case 'CreateStmt':
      return checkParents(body, created);
    case 'AlterTableStmt':
      return checkAlterTable(body, context);
    case 'AlterDomainStmt':
      return checkAlterDomain(body, isBeforeContract);
    case 'IndexStmt':
      return [
        ...(body.idxname ? [] : (['index-without-name'] as const)),
        ...(ownTable || body.concurrent ? [] : (['index-not-concurrent'] as const)),
      ];
    case 'DropStmt':
      return checkDrop(body, context);
    case 'ReindexStmt':
      return isConcurrent(kind, body) ? [] : ['rewrite'];
    case 'RenameStmt':
    case 'AlterObjectSchemaStmt':
      return ownTable ? [] : ['rename'];
    case 'AlterEnumStmt':
      return body.oldVal ? ['rename'] : [];
    case 'TruncateStmt':
      return isBeforeContract && !body.relations?.every((one: Tree) => isOwn(one.RangeVar, created))
        ? ['delete-rows']
        : [];
    case 'DeleteStmt':
      return []; // covered by hiddenChanges, at any depth
    case 'GrantStmt':
      return body.is_grant || !isBeforeContract ? [] : ['drop'];
    case 'DropdbStmt':
    case 'DropOwnedStmt':
    case 'DropRoleStmt':
      return ['drop'];
    case 'VacuumStmt':
      return body.is_vacuumcmd && hasOption(body.options, 'full') ? ['rewrite'] : [];
    case 'RefreshMatViewStmt':
      return body.concurrent || ownTable ? [] : ['rewrite'];
    case 'ClusterStmt':
      return ['rewrite'];
    case 'LockStmt':
      return ['table-lock'];
    case 'VariableSetStmt':
      return variableRules(body);
    case 'DiscardStmt':
      return ['run-lock', 'session-state'];
    case 'TransactionStmt':
      return ['transaction-control'];
    case 'DoStmt':
    case 'CallStmt':
    case 'ExecuteStmt':
      return ['opaque'];
    default:
      return ADDITIVE.has(kind) ? [] : ['unknown-statement'];
  }
}

/** A temporary relation hides permanent relations of the same name until the session ends. */
function staysInSession(kind: string, body: Tree): boolean {
  if (kind === 'CreateStmt') return isTemporary(body.relation) && body.oncommit !== 'ONCOMMIT_DROP';
  const into = kind === 'CreateTableAsStmt' ? body.into : kind === 'SelectStmt' && body.intoClause;
  if (into) return isTemporary(into.rel) && into.onCommit !== 'ONCOMMIT_DROP';
  return isTemporary(kind === 'ViewStmt' ? body.view : kind === 'CreateSeqStmt' && body.sequence);
}

/** Rejects a partition or child of a table in use. */
function checkParents(body: Tree, created: ReadonlySet<string>): RuleName[] {
  const parents: Tree[] = body.inhRelations ?? [];
  return parents.every((one) => isOwn(one.RangeVar, created)) ? [] : ['attach-partition'];
}

function checkAlterTable(body: Tree, { phase, created, made, unvalidated, facts }: LintContext): RuleName[] {
  const { relation, objtype } = body;
  if (isOwn(relation, created)) {
    return commandsOf(body).flatMap((command) => checkAttach(command, created));
  }
  if (objtype === 'OBJECT_VIEW') return ['unknown-statement'];
  const known = withoutDropped(body, facts);
  return commandsOf(body).flatMap((command): RuleName[] => {
    const { subtype, name } = command;
    const table = relation?.relname;
    if (subtype === 'AT_DropColumn' && made.has(`column ${table}.${name}`)) return [];
    if (subtype === 'AT_DropConstraint' && made.has(`constraint ${table}.${name}`)) return [];
    if (subtype === 'AT_AttachPartition' && objtype === 'OBJECT_INDEX') return [];
    if (subtype === 'AT_ValidateConstraint' && unvalidated.has(name)) return ['validate-same-migration'];
    return alterTableRules(tableKey(relation), command, phase, known);
  });
}

/** PostgreSQL runs the DROP commands of an ALTER TABLE before the others. */
function withoutDropped(body: Tree, facts: Facts): Facts {
  const cmds = body.cmds.filter((one: Tree) => one.AlterTableCmd.subtype === 'AT_DropConstraint');
  if (cmds.length === 0) return facts;
  const known = facts.copy();
  known.record('AlterTableStmt', { ...body, cmds });
  return known;
}

/** Rejects attaching a table in use to a new one, or a new one to a table in use. */
function checkAttach({ subtype, def }: Tree, created: ReadonlySet<string>): RuleName[] {
  const other =
    subtype === 'AT_AttachPartition' ? def?.PartitionCmd?.name : subtype === 'AT_AddInherit' && def?.RangeVar;
  return other && !isOwn(other, created) ? ['attach-partition'] : [];
}

/** PostgreSQL scans all tables with a column of the domain. */
function checkAlterDomain({ subtype, def }: Tree, isBeforeContract: boolean): RuleName[] {
  switch (subtype) {
    case 'C':
      return def?.Constraint?.skip_validation ? [] : ['constraint-not-valid'];
    case 'V':
      return ['constraint-not-valid'];
    case 'O':
      return ['set-not-null'];
    case 'T':
      return !isBeforeContract || (def && !isNull(def)) ? [] : ['drop-default'];
    case 'X':
      return isBeforeContract ? ['drop'] : [];
    default:
      return [];
  }
}

function checkDrop(body: Tree, { phase, created, made, facts }: LintContext): RuleName[] {
  const isOwnObject = dropsOwnObjects(body, created, made);
  if (body.removeType !== 'OBJECT_INDEX') return isOwnObject || phase === 'contract' ? [] : ['drop'];
  if (isOwnObject) return [];
  const found: RuleName[] = body.concurrent ? [] : ['drop-index-not-concurrent'];
  const names: string[] = body.objects.map((one: Tree) => texts(one.List?.items).at(-1));
  const isUnique = names.some((name) => facts.indexes.get(name)?.unique !== false);
  return isUnique && phase !== 'contract' ? [...found, 'drop-unique-index'] : found;
}

/**
 * True if the migration created all dropped objects. Excludes functions, whose name does not identify an
 * overload.
 */
function dropsOwnObjects(body: Tree, created: ReadonlySet<string>, made: ReadonlySet<string>): boolean {
  if (body.removeType === 'OBJECT_TABLE') return droppedFrom(body).every((table) => isOwn(table, created));
  const names = droppedNames('DropStmt', body);
  return (
    names.length === body.objects.length &&
    names.every((name) => !name.startsWith('function ') && made.has(name))
  );
}
