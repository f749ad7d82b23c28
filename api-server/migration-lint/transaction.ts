/**
 * Locks are held until the end of the transaction. These functions estimate, per statement, the locks
 * on tables in use, and whether the duration grows with a table.
 */
import {
  commandsOf,
  constraintsOf,
  isConcurrent,
  QUERY_KINDS,
  relationName,
  type Tree,
  texts,
  walk,
} from './ast.js';
import type { LintContext } from './context.js';
import { type HeldLock, LOCK_MODES, type LockMode } from './locks.js';
import { isOwn } from './own-tables.js';

export interface RelationLock {
  /** A RangeVar of the parser: `schemaname` and `relname`. */
  relation: Tree;
  mode: LockMode;
}

/** Locks that a statement acquires on tables in use. */
export function locksOf(kind: string, body: Tree, { created, made }: LintContext): HeldLock[] {
  // `created` has only tables. A lock on the table of an index was acquired when the index was created.
  const dropsOwn = ({ relname }: Tree) => kind === 'DropStmt' && made.has(`relation ${relname}`);
  return relationLocks(kind, body)
    .filter(({ relation }) => !isOwn(relation, created) && !dropsOwn(relation))
    .map(({ relation, mode }) => ({ table: relationName(relation), mode }));
}

/**
 * Locks on the relations that a statement of the schema names (PostgreSQL documentation, "Explicit Locking"). An
 * ALTER TABLE has one per command. Statements without a blocking lock have none.
 */
export function relationLocks(kind: string, body: Tree): RelationLock[] {
  const lockOn = (relation: Tree, mode: LockMode): RelationLock[] =>
    relation?.relname ? [{ relation, mode }] : [];
  switch (kind) {
    case 'CreateStmt':
      return [
        ...referencedBy(body.tableElts).flatMap((one) => lockOn(one, 'SHARE ROW EXCLUSIVE')),
        ...(body.inhRelations ?? []).flatMap((one: Tree) =>
          lockOn(one.RangeVar, body.partbound ? 'ACCESS EXCLUSIVE' : 'SHARE UPDATE EXCLUSIVE'),
        ),
      ];
    case 'AlterTableStmt':
      return commandsOf(body).flatMap((command) => [
        ...lockOn(body.relation, lockOfCommand(command)),
        ...referencedBy([command.def ?? {}]).flatMap((one) => lockOn(one, 'SHARE ROW EXCLUSIVE')),
        ...attachedBy(command).flatMap((one) => lockOn(one, 'ACCESS EXCLUSIVE')),
      ]);
    case 'CreateTrigStmt':
      return lockOn(body.relation, 'SHARE ROW EXCLUSIVE');
    case 'IndexStmt':
      return lockOn(body.relation, body.concurrent ? 'SHARE UPDATE EXCLUSIVE' : 'SHARE');
    case 'RuleStmt':
    case 'CreatePolicyStmt':
    case 'AlterPolicyStmt':
      return lockOn(body.relation ?? body.table, 'ACCESS EXCLUSIVE');
    case 'RenameStmt':
    case 'AlterObjectSchemaStmt':
      return lockOn(body.relation, 'ACCESS EXCLUSIVE');
    case 'TruncateStmt':
      return (body.relations ?? []).flatMap((one: Tree) => lockOn(one.RangeVar, 'ACCESS EXCLUSIVE'));
    case 'LockStmt':
      return (body.relations ?? []).flatMap((one: Tree) =>
        lockOn(one.RangeVar, LOCK_MODES[body.mode - 1] ?? 'ACCESS EXCLUSIVE'),
      );
    case 'DropStmt':
      return isConcurrent(kind, body)
        ? []
        : droppedFrom(body).flatMap((relation) => lockOn(relation, 'ACCESS EXCLUSIVE'));
    case 'RefreshMatViewStmt':
      return body.concurrent ? [] : lockOn(body.relation, 'ACCESS EXCLUSIVE'); // CONCURRENTLY permits reads
    default:
      return [];
  }
}

/** Commands of ALTER TABLE with a weaker lock than ACCESS EXCLUSIVE. */
const WEAK_COMMANDS: Readonly<Record<string, LockMode>> = {
  AT_ValidateConstraint: 'SHARE UPDATE EXCLUSIVE',
  AT_SetStatistics: 'SHARE UPDATE EXCLUSIVE',
  AT_SetOptions: 'SHARE UPDATE EXCLUSIVE',
  AT_ResetOptions: 'SHARE UPDATE EXCLUSIVE',
  AT_SetRelOptions: 'SHARE UPDATE EXCLUSIVE',
  AT_ResetRelOptions: 'SHARE UPDATE EXCLUSIVE',
  AT_ClusterOn: 'SHARE UPDATE EXCLUSIVE',
  AT_DropCluster: 'SHARE UPDATE EXCLUSIVE',
  AT_AttachPartition: 'SHARE UPDATE EXCLUSIVE',
  AT_EnableTrig: 'SHARE ROW EXCLUSIVE',
  AT_DisableTrig: 'SHARE ROW EXCLUSIVE',
};

function lockOfCommand({ subtype, def }: Tree): LockMode {
  if (def?.Constraint?.contype === 'CONSTR_FOREIGN') return 'SHARE ROW EXCLUSIVE';
  if (def?.PartitionCmd?.concurrent) return 'SHARE UPDATE EXCLUSIVE';
  return WEAK_COMMANDS[subtype] ?? 'ACCESS EXCLUSIVE';
}

/** Tables that the foreign keys of columns or constraints reference. */
function referencedBy(elements: Tree[] = []): Tree[] {
  return elements
    .flatMap(({ ColumnDef, Constraint }) => (Constraint ? [Constraint] : constraintsOf(ColumnDef)))
    .map(({ pktable }) => pktable)
    .filter(Boolean);
}

/** The partition that ATTACH or DETACH names. */
function attachedBy({ def }: Tree): Tree[] {
  return def?.PartitionCmd?.name ? [def.PartitionCmd.name] : [];
}

/** Statements lock the indexes that they use, too. */
const RELATIONS = new Set([
  'OBJECT_TABLE',
  'OBJECT_INDEX',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_SEQUENCE',
  'OBJECT_FOREIGN_TABLE',
]);
const TABLE_PARTS = new Set(['OBJECT_TRIGGER', 'OBJECT_RULE', 'OBJECT_POLICY']);

/** Relations that DROP locks and that the statement names. */
export function droppedFrom({ objects = [], removeType }: Tree): Tree[] {
  const paths: string[][] = objects.map((one: Tree) => texts(one.List?.items));
  const named = (path: string[]) => ({ schemaname: path.at(-2), relname: path.at(-1) });
  if (RELATIONS.has(removeType)) return paths.map(named);
  return TABLE_PARTS.has(removeType) ? paths.map((path) => named(path.slice(0, -1))) : [];
}

/** True if the duration grows with the rows of a table. */
export function isSlow(kind: string, body: Tree, context: LintContext): boolean {
  if (callsSlowFunction(body)) return true;
  if (QUERY_KINDS.has(kind)) return readsRows(kind, body, context);
  const ofFilled = isOwn(body.relation, context.filled);
  switch (kind) {
    case 'AlterTableStmt':
      return commandsOf(body).some(
        ({ subtype, def }) =>
          subtype === 'AT_ValidateConstraint' || (ofFilled && !def?.Constraint?.skip_validation),
      );
    case 'IndexStmt':
      return ofFilled || !isOwn(body.relation, context.created);
    case 'VacuumStmt':
    case 'RefreshMatViewStmt':
      return true;
    default:
      return false;
  }
}

/** True if the statement reads or changes a table in use, or a new table that was filled from a query. */
function readsRows(kind: string, body: Tree, { created, filled }: LintContext): boolean {
  const withinCtes = new Set<string>();
  let found = false;
  const isRead = (relation: Tree) =>
    !isCatalog(relation) && (!isOwn(relation, created) || isOwn(relation, filled));
  walk({ [kind]: body }, (node, at) => {
    if (node === 'CommonTableExpr') withinCtes.add(at.ctename);
    const target = node === 'UpdateStmt' || node === 'DeleteStmt' || node === 'MergeStmt';
    if (target && at.relation && isRead(at.relation)) found = true;
  });
  walk({ [kind]: body }, (node, at) => {
    if (node !== 'RangeVar' || (!at.schemaname && withinCtes.has(at.relname))) return;
    if (isRead(at)) found = true;
  });
  return found;
}

function isCatalog({ schemaname, relname }: Tree): boolean {
  return ['pg_catalog', 'information_schema'].includes(schemaname) || (!schemaname && /^pg_/.test(relname));
}

const MANY_ROWS = 10_000;

/** True for `pg_sleep`, and for `generate_series` with large or unknown bounds. */
function callsSlowFunction(body: Tree): boolean {
  let found = false;
  walk(body, (kind, call) => {
    if (kind !== 'FuncCall') return;
    const name = texts(call?.funcname).at(-1) ?? '';
    const isFew = call.args?.every(
      ({ A_Const: bound }: Tree) => bound?.ival && (bound.ival.ival ?? 0) < MANY_ROWS, // the parser omits 0
    );
    if (name.startsWith('pg_sleep') || (name === 'generate_series' && !isFew)) found = true;
  });
  return found;
}

/** The table that the statement fills from a query. */
export function tableFilledBy(kind: string, body: Tree): Tree | undefined {
  if (kind === 'CreateTableAsStmt') return body.into?.skipData ? undefined : body.into?.rel;
  if (kind === 'SelectStmt') return body.intoClause?.rel;
  if (kind === 'InsertStmt') return body.selectStmt?.SelectStmt?.valuesLists ? undefined : body.relation;
  return undefined;
}
