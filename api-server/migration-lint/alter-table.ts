/** Rules for ALTER TABLE on tables that the migration did not create. */
import type { MigrationPhase } from '../../contract/image.js';
import { constraintsOf, isNull, type Tree, texts } from './ast.js';
import { TYPES } from './builtins.js';
import type { Facts } from './facts.js';
import { isVolatile } from './functions.js';
import type { RuleName } from './rules.js';

/** Fast changes without an effect on an older version. */
const HARMLESS = new Set([
  'AT_ValidateConstraint',
  'AT_DropNotNull',
  'AT_SetStatistics',
  'AT_SetOptions',
  'AT_ResetOptions',
  'AT_SetRelOptions',
  'AT_ResetRelOptions',
  'AT_ClusterOn',
  'AT_DropCluster',
  'AT_SetStorage',
  'AT_SetCompression',
  'AT_EnableTrig',
]);
/** Commands that only phase contract may run, and the rule that refuses them in other phases. */
const DESTRUCTIVE: Record<string, RuleName> = {
  AT_DropColumn: 'drop-column',
  AT_DropConstraint: 'drop',
  AT_DropExpression: 'drop',
  AT_DropIdentity: 'drop',
  AT_DropOids: 'drop',
  AT_DropInherit: 'drop',
  AT_DetachPartition: 'drop',
  AT_DetachPartitionFinalize: 'drop',
  AT_DisableTrig: 'drop',
};
const REWRITES = new Set([
  'AT_SetTableSpace',
  'AT_SetLogged',
  'AT_SetUnLogged',
  'AT_SetAccessMethod',
  'AT_SetExpression',
]);

export function alterTableRules(
  table: string,
  command: Tree,
  phase: MigrationPhase,
  facts: Facts,
): RuleName[] {
  const { subtype, def, name } = command;
  if (REWRITES.has(subtype)) return ['rewrite'];
  switch (subtype) {
    case 'AT_AttachPartition':
    case 'AT_AddInherit':
      return ['attach-partition'];
    case 'AT_AddColumn':
      return addColumn(def?.ColumnDef, facts);
    case 'AT_AddConstraint':
      return addConstraint(table, def?.Constraint, facts);
    case 'AT_AlterColumnType':
      return ['type-change'];
    case 'AT_SetNotNull':
      return facts.isNotNull(table, name) ? [] : ['set-not-null'];
    case 'AT_ColumnDefault': // DROP DEFAULT has no expression, and SET DEFAULT NULL has the same effect
      return phase === 'contract' || (def && !isNull(def)) ? [] : ['drop-default'];
    case 'AT_ReplicaIdentity':
      return def?.ReplicaIdentityStmt?.identity_type === 'n' ? ['replica-identity'] : [];
    default: {
      const destructive = DESTRUCTIVE[subtype];
      if (destructive) return phase === 'contract' ? [] : [destructive];
      return HARMLESS.has(subtype) ? [] : ['unknown-statement'];
    }
  }
}

function addColumn(column: Tree, facts: Facts): RuleName[] {
  const constraints = constraintsOf(column);
  const constraintOf = (type: string) => constraints.find(({ contype }) => contype === type);
  const defaultValue = constraintOf('CONSTR_DEFAULT');
  const generated = constraintOf('CONSTR_GENERATED');
  const hasDefault = defaultValue && !isNull(defaultValue.raw_expr);
  const isFilled = hasDefault || generated || constraintOf('CONSTR_IDENTITY') || isSerial(column);
  const isVirtual = generated?.generated_kind === 'v';
  const found: RuleName[] = [];
  if ((constraintOf('CONSTR_NOTNULL') || constraintOf('CONSTR_PRIMARY')) && !isFilled) {
    found.push('add-not-null-column');
  }
  if (constraintOf('CONSTR_NOTNULL') && isVirtual) found.push('set-not-null');
  if (hasDefault && isVolatile(defaultValue.raw_expr, facts)) found.push('volatile-default');
  if ((generated && !isVirtual) || constraintOf('CONSTR_IDENTITY') || isSerial(column)) found.push('rewrite');
  if (['CONSTR_UNIQUE', 'CONSTR_PRIMARY', 'CONSTR_CHECK'].some(constraintOf))
    found.push('constraint-not-valid');
  // Without a default all rows have NULL, so PostgreSQL skips the validation of a foreign key.
  if (constraintOf('CONSTR_FOREIGN') && hasDefault) found.push('constraint-not-valid');
  if (mayBeConstrained(column?.typeName, facts)) found.push('domain-column');
  return found;
}

function isSerial(column: Tree): boolean {
  return /^(small|big)?serial[248]?$/.test(texts(column?.typeName?.names).at(-1) ?? '');
}

/** An array of a domain is not a domain, so PostgreSQL does not rewrite the table for it. */
function mayBeConstrained(typeName: Tree, { types }: Facts): boolean {
  const names = texts(typeName?.names);
  const [schema, type = ''] = [names.at(-2), names.at(-1)];
  if (schema === 'pg_catalog' || typeName?.arrayBounds || typeName?.pct_type) return false;
  return types.get(type) ?? !TYPES.has(type);
}

function addConstraint(table: string, constraint: Tree, facts: Facts): RuleName[] {
  const { contype, skip_validation: isNotValid, indexname, keys } = constraint ?? {};
  if (contype === 'CONSTR_CHECK' || contype === 'CONSTR_FOREIGN') {
    return isNotValid ? [] : ['constraint-not-valid'];
  }
  if (contype === 'CONSTR_NOTNULL') {
    const isProven = texts(keys).every((column) => facts.isNotNull(table, column));
    return isNotValid || isProven ? [] : ['set-not-null'];
  }
  if (!indexname) return ['constraint-not-valid'];
  if (contype !== 'CONSTR_PRIMARY') return [];
  const { columns = [] } = facts.indexes.get(indexname) ?? {};
  const isProven = columns.length > 0 && columns.every((column) => facts.isNotNull(table, column));
  return isProven ? [] : ['set-not-null'];
}
