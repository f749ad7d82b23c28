/**
 * Tables that a statement locks in a mode that conflicts with the traffic (PostgreSQL documentation,
 * "Explicit Locking").
 */
import { isConcurrent, type Tree } from '../../migration-lint/ast.js';
import type { Statement } from '../../migration-lint/lint.js';
import { WEAK_COMMANDS } from '../../migration-lint/transaction.js';

/** Modes that conflict with the traffic: `ACCESS EXCLUSIVE` with reads and writes, the others with writes. */
type LockMode = 'Share' | 'ShareRowExclusive' | 'AccessExclusive';

export interface LockedTable {
  /** Quoted SQL identifier. */
  table: string;
  mode: LockMode;
}

/** Modes that conflict with `SHARE`, as in `pg_locks`. */
const CONFLICTS_WITH_SHARE = [
  'RowExclusiveLock',
  'ShareUpdateExclusiveLock',
  'ShareRowExclusiveLock',
  'ExclusiveLock',
  'AccessExclusiveLock',
];
/** Modes that conflict with each mode, as in `pg_locks`. */
export const CONFLICTS: Record<LockMode, readonly string[]> = {
  Share: CONFLICTS_WITH_SHARE,
  ShareRowExclusive: [...CONFLICTS_WITH_SHARE, 'ShareLock'],
  AccessExclusive: [...CONFLICTS_WITH_SHARE, 'ShareLock', 'AccessShareLock', 'RowShareLock'],
};

/** Kinds of relations. Statements lock the indexes that they use, too. */
const RELATIONS = new Set([
  'OBJECT_TABLE',
  'OBJECT_INDEX',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_SEQUENCE',
  'OBJECT_FOREIGN_TABLE',
]);
/** Kinds of objects of a table. Their names contain the name of the table. */
const PARTS = new Set(['OBJECT_TRIGGER', 'OBJECT_RULE', 'OBJECT_POLICY']);

export function lockedTables({ kind, body }: Statement): LockedTable[] {
  const lockOf = (mode: LockMode): LockedTable[] =>
    body.relation ? [{ table: quoted(body.relation), mode }] : [];
  switch (kind) {
    case 'AlterTableStmt':
      return alterTable(body);
    case 'CreateStmt':
      return [...parents(body), ...referenced(body.tableElts)];
    case 'CreateTrigStmt':
      return lockOf('ShareRowExclusive');
    case 'IndexStmt':
      return isConcurrent(kind, body) ? [] : lockOf('Share');
    case 'RenameStmt':
    case 'AlterObjectSchemaStmt':
    case 'RuleStmt':
      return lockOf('AccessExclusive');
    case 'CreatePolicyStmt':
    case 'AlterPolicyStmt':
      return [{ table: quoted(body.table), mode: 'AccessExclusive' }];
    case 'TruncateStmt':
      return (body.relations ?? []).map(({ RangeVar: relation }: Tree) => ({
        table: quoted(relation),
        mode: 'AccessExclusive',
      }));
    case 'DropStmt':
      if (isConcurrent(kind, body)) return [];
      return (body.objects ?? []).flatMap((object: Tree) => droppedTable(body.removeType, object));
    default:
      return [];
  }
}

function alterTable({ relation, cmds = [] }: Tree): LockedTable[] {
  const commands: Tree[] = cmds.map((one: Tree) => one.AlterTableCmd);
  // SHARE UPDATE EXCLUSIVE conflicts with neither reads nor writes.
  const strong = commands.filter(({ subtype }) => WEAK_COMMANDS[subtype] !== 'SHARE UPDATE EXCLUSIVE');
  if (strong.length === 0) return [];
  const isForeignKey = ({ def }: Tree) => def?.Constraint?.contype === 'CONSTR_FOREIGN';
  const mode = strong.every(isForeignKey) ? 'ShareRowExclusive' : 'AccessExclusive';
  return [{ table: quoted(relation), mode }, ...referenced(strong.map(({ def }) => def))];
}

/** The parents of a partition or of a child table. */
function parents({ inhRelations = [] }: Tree): LockedTable[] {
  return inhRelations.map(({ RangeVar: relation }: Tree) => ({
    table: quoted(relation),
    mode: 'AccessExclusive',
  }));
}

/** Tables that the foreign keys in these definitions reference. */
function referenced(definitions: Tree[] = []): LockedTable[] {
  const constraints: Tree[] = definitions.flatMap((one) => [
    one?.Constraint,
    ...(one?.ColumnDef?.constraints ?? []).map(({ Constraint: constraint }: Tree) => constraint),
  ]);
  return constraints
    .filter((one) => one?.contype === 'CONSTR_FOREIGN')
    .map(({ pktable }) => ({ table: quoted(pktable), mode: 'ShareRowExclusive' }));
}

function droppedTable(type: string, object: Tree): LockedTable[] {
  const names: string[] = (object.List?.items ?? []).map((one: Tree) => one.String?.sval);
  const table = PARTS.has(type) ? names.slice(0, -1) : RELATIONS.has(type) ? names : [];
  return table.length > 0 ? [{ table: table.map(quote).join('.'), mode: 'AccessExclusive' }] : [];
}

function quoted({ schemaname, relname }: Tree): string {
  return [schemaname, relname].filter(Boolean).map(quote).join('.');
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
