/** Names that a statement creates or drops, without their schemas. */
import { commandsOf, constraintsOf, type Tree } from './ast.js';

/** Tables, views, indexes and sequences share a namespace. */
const RELATIONS = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_INDEX',
  'OBJECT_SEQUENCE',
  'OBJECT_FOREIGN_TABLE',
]);
const FUNCTIONS = new Set(['OBJECT_FUNCTION', 'OBJECT_PROCEDURE', 'OBJECT_ROUTINE', 'OBJECT_AGGREGATE']);

const last = (names: Tree[] = []): string => names.at(-1)?.String?.sval ?? '';
const relation = (rangeVar: Tree) => `relation ${rangeVar?.relname}`;

export function createdNames(kind: string, body: Tree): string[] {
  switch (kind) {
    case 'CreateStmt':
      return [relation(body.relation)];
    case 'CreateForeignTableStmt':
      return [relation(body.base?.relation)];
    case 'CreateTableAsStmt':
      return [relation(body.into?.rel)];
    case 'SelectStmt':
      return body.intoClause ? [relation(body.intoClause.rel)] : [];
    case 'RenameStmt':
      return renamed(body, body.newname);
    case 'ViewStmt':
      return [relation(body.view)];
    case 'CreateSeqStmt':
      return [relation(body.sequence)];
    case 'IndexStmt':
      return [`relation ${body.idxname}`];
    case 'CreateFunctionStmt':
      return [`function ${last(body.funcname)}`];
    case 'CreateTrigStmt':
      return [`trigger ${body.relation?.relname}.${body.trigname}`];
    case 'CreateEnumStmt':
    case 'CreateRangeStmt':
      return [`type ${last(body.typeName)}`];
    case 'CreateDomainStmt':
      return [`type ${last(body.domainname)}`];
    case 'CompositeTypeStmt':
      return [`type ${body.typevar?.relname}`];
    case 'AlterTableStmt':
      return commandsOf(body).flatMap(({ subtype, def }) => {
        const table = body.relation?.relname;
        if (subtype === 'AT_AddColumn') {
          const inline = constraintsOf(def?.ColumnDef).flatMap((one) => constraint(table, one.conname));
          return [`column ${table}.${def?.ColumnDef?.colname}`, ...inline];
        }
        return subtype === 'AT_AddConstraint' ? constraint(table, def?.Constraint?.conname) : [];
      });
    default:
      return [];
  }
}

export function droppedNames(kind: string, body: Tree): string[] {
  if (kind === 'AlterTableStmt') {
    return commandsOf(body).flatMap(({ subtype, name }) => {
      if (subtype === 'AT_DropColumn') return [`column ${body.relation?.relname}.${name}`];
      return subtype === 'AT_DropConstraint' ? constraint(body.relation?.relname, name) : [];
    });
  }
  if (kind === 'RenameStmt') return renamed(body, oldName(body));
  if (kind !== 'DropStmt') return [];
  return (body.objects ?? []).flatMap((object: Tree) => {
    const parts: Tree[] =
      object.List?.items ?? object.TypeName?.names ?? object.ObjectWithArgs?.objname ?? [];
    if (RELATIONS.has(body.removeType)) return [`relation ${last(parts)}`];
    if (FUNCTIONS.has(body.removeType)) return [`function ${last(parts)}`];
    if (body.removeType === 'OBJECT_TYPE' || body.removeType === 'OBJECT_DOMAIN')
      return [`type ${last(parts)}`];
    if (body.removeType === 'OBJECT_TRIGGER') return [`trigger ${last(parts.slice(0, -1))}.${last(parts)}`];
    return [];
  });
}

/** Returns the first name that is dropped, directly or with its table. */
export function findDropped(names: string[], dropped: ReadonlySet<string>): string | undefined {
  return names.find(
    (name) => dropped.has(name) || dropped.has(`relation ${/^\w+ (.+)\.[^.]+$/.exec(name)?.[1]}`),
  );
}

/** The index of a UNIQUE or PRIMARY KEY constraint has the same name. */
function constraint(table: string, name: string | undefined): string[] {
  return name ? [`constraint ${table}.${name}`, `relation ${name}`] : [];
}

function oldName({ subname, relation: table, object }: Tree): string {
  return subname ?? table?.relname ?? last(object?.List?.items ?? object?.ObjectWithArgs?.objname);
}

/** The qualified name of a renamed object, for its old or new name. */
function renamed({ renameType, relation: table }: Tree, name: string): string[] {
  if (RELATIONS.has(renameType)) return [`relation ${name}`];
  if (renameType === 'OBJECT_COLUMN') return [`column ${table?.relname}.${name}`];
  if (renameType === 'OBJECT_TABCONSTRAINT') return constraint(table?.relname, name);
  if (renameType === 'OBJECT_TRIGGER') return [`trigger ${table?.relname}.${name}`];
  if (renameType === 'OBJECT_TYPE' || renameType === 'OBJECT_DOMAIN') return [`type ${name}`];
  return FUNCTIONS.has(renameType) ? [`function ${name}`] : [];
}
