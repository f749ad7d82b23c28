/** The rules of ALTER TABLE, on a table that the migration did not make itself. */
import type { MigrationPhase } from '../../contract/image.js';
import { constraintsOf, isVolatile, type Tree } from './ast.js';
import type { RuleName } from './rules.js';

/** Changes that are quick and that an older version does not notice. */
const HARMLESS = new Set([
  'AT_ColumnDefault',
  'AT_ValidateConstraint',
  'AT_DropNotNull',
  'AT_SetStatistics',
  'AT_SetOptions',
  'AT_ResetOptions',
  'AT_SetRelOptions',
  'AT_ResetRelOptions',
  'AT_ReplicaIdentity',
  'AT_SetStorage',
  'AT_SetCompression',
  'AT_EnableTrig',
]);
const DESTRUCTIVE: Record<string, RuleName> = {
  AT_DropColumn: 'drop-column',
  AT_DropConstraint: 'drop',
  AT_DropExpression: 'drop',
  AT_DropIdentity: 'drop',
  AT_AlterColumnType: 'type-change',
  AT_SetNotNull: 'set-not-null',
  AT_DropOids: 'drop',
};
const REWRITES = new Set(['AT_SetTableSpace', 'AT_SetLogged', 'AT_SetUnLogged', 'AT_SetAccessMethod']);

export function alterTableRules(command: Tree, phase: MigrationPhase): RuleName[] {
  const { subtype, def } = command;
  if (REWRITES.has(subtype)) return ['rewrite'];
  if (subtype === 'AT_AttachPartition' || subtype === 'AT_AddInherit') {
    return phase === 'contract' ? [] : ['attach-partition'];
  }
  if (subtype === 'AT_AddColumn') return addColumn(def?.ColumnDef);
  if (subtype === 'AT_AddConstraint') return addConstraint(def?.Constraint);
  if (subtype === 'AT_AlterColumnType') return ['type-change'];
  const destructive = DESTRUCTIVE[subtype];
  if (destructive) return phase === 'contract' ? [] : [destructive];
  // SET DEFAULT has the same subtype as DROP DEFAULT, and an expression.
  if (subtype === 'AT_ColumnDefault') return def || phase === 'contract' ? [] : ['drop-default'];
  return HARMLESS.has(subtype) || phase === 'contract' ? [] : ['unknown-statement'];
}

function addColumn(column: Tree): RuleName[] {
  const constraints = constraintsOf(column);
  const of = (type: string) => constraints.find(({ contype }) => contype === type);
  const fallback = of('CONSTR_DEFAULT');
  const found: RuleName[] = [];
  if ((of('CONSTR_NOTNULL') || of('CONSTR_PRIMARY')) && !fallback) found.push('add-not-null-column');
  if (fallback && isVolatile(fallback.raw_expr)) found.push('volatile-default');
  if (of('CONSTR_GENERATED') || of('CONSTR_IDENTITY') || isSerial(column)) found.push('rewrite');
  if (['CONSTR_UNIQUE', 'CONSTR_PRIMARY', 'CONSTR_CHECK', 'CONSTR_FOREIGN'].some(of)) {
    found.push('constraint-not-valid');
  }
  return found;
}

function isSerial(column: Tree): boolean {
  return /^(small|big)?serial[248]?$/.test(column?.typeName?.names?.at(-1)?.String?.sval ?? '');
}

function addConstraint(constraint: Tree): RuleName[] {
  const { contype, skip_validation: notValid, indexname: usingIndex } = constraint ?? {};
  if (contype === 'CONSTR_CHECK' || contype === 'CONSTR_FOREIGN' || contype === 'CONSTR_NOTNULL') {
    return notValid ? [] : ['constraint-not-valid'];
  }
  return usingIndex ? [] : ['constraint-not-valid'];
}
