/**
 * Facts about the schema from earlier statements and older migrations. Objects other than tables are keyed by
 * name without schema.
 */
import { commandsOf, constraintsOf, type Tree, tableKey, texts } from './ast.js';

interface IndexFact {
  /** Empty if the index has an expression. */
  columns: string[];
  unique: boolean;
}

interface FunctionFact {
  /** Declared IMMUTABLE or STABLE. */
  isStable: boolean;
  /** True if a call by the name of a built-in function can resolve to this function. */
  hasParameters: boolean;
}

export class Facts {
  /** Columns by `tableKey`. Excludes tables created with LIKE, INHERITS, OF or AS. */
  columns = new Map<string, Set<string>>();
  indexes = new Map<string, IndexFact>();
  /** True for a domain with a constraint. */
  types = new Map<string, boolean>();
  functions = new Map<string, FunctionFact>();
  operators = new Set<string>();
  /** Views whose queries call user-defined functions. */
  callingViews = new Set<string>();
  private notNull = new Set<string>();
  /** Constraints that exclude NULL from columns, by `table.constraint`. */
  private proofs = new Map<string, { columns: string[]; valid: boolean }>();

  copy(): Facts {
    return Object.assign(new Facts(), structuredClone({ ...this }));
  }

  isNotNull(table: string, column: string): boolean {
    if (this.notNull.has(`${table}.${column}`)) return true;
    return [...this.proofs].some(
      ([name, { columns, valid }]) => valid && name.startsWith(`${table}.`) && columns.includes(column),
    );
  }

  record(kind: string, body: Tree): void {
    switch (kind) {
      case 'CreateStmt':
        if (!body.if_not_exists) this.recordTable(body);
        return;
      case 'AlterTableStmt':
        for (const command of commandsOf(body)) this.recordCommand(tableKey(body.relation), command);
        return;
      case 'IndexStmt':
        this.indexes.set(body.idxname, indexFact(body));
        return;
      case 'CreateDomainStmt':
        this.types.set(texts(body.domainname).at(-1) ?? '', isConstrained(body, this.types));
        return;
      case 'AlterDomainStmt':
        if ('COV'.includes(body.subtype)) this.types.set(texts(body.typeName).at(-1) ?? '', true);
        return;
      case 'CreateEnumStmt':
      case 'CreateRangeStmt':
        this.types.set(texts(body.typeName).at(-1) ?? '', false);
        return;
      case 'CompositeTypeStmt':
        this.types.set(body.typevar?.relname, false);
        return;
      case 'CreateFunctionStmt':
        this.functions.set(texts(body.funcname).at(-1) ?? '', {
          isStable: isStable(body),
          hasParameters: Boolean(body.parameters?.length),
        });
        return;
      case 'DefineStmt':
        if (body.kind === 'OBJECT_OPERATOR') this.operators.add(texts(body.defnames).at(-1) ?? '');
        if (body.kind === 'OBJECT_AGGREGATE') {
          this.functions.set(texts(body.defnames).at(-1) ?? '', { isStable: false, hasParameters: true });
        }
        return;
      case 'RenameStmt':
        this.discard(body);
        return;
      default:
    }
  }

  private recordTable({ relation, tableElts = [], inhRelations, ofTypename }: Tree): void {
    const table = tableKey(relation);
    this.discardTable(table);
    const columns = new Set<string>();
    for (const { ColumnDef: column, Constraint: constraint } of tableElts) {
      if (column) columns.add(column.colname);
      if (column) this.recordColumn(table, column);
      if (constraint) this.recordConstraint(table, constraint);
    }
    const hasMore = inhRelations || ofTypename || tableElts.some((one: Tree) => one.TableLikeClause);
    if (!hasMore) this.columns.set(table, columns);
  }

  private recordColumn(table: string, column: Tree): void {
    for (const constraint of constraintsOf(column)) {
      this.recordConstraint(table, { ...constraint, keys: [{ String: { sval: column.colname } }] });
    }
  }

  private recordConstraint(table: string, constraint: Tree): void {
    const { contype, conname, indexname, keys, skip_validation: isNotValid } = constraint;
    const columns = indexname ? (this.indexes.get(indexname)?.columns ?? []) : texts(keys);
    if (contype === 'CONSTR_PRIMARY' || contype === 'CONSTR_IDENTITY') this.setNotNull(table, columns);
    if ((contype === 'CONSTR_PRIMARY' || contype === 'CONSTR_UNIQUE') && conname) {
      this.indexes.set(conname, { columns, unique: true });
    }
    const proven =
      contype === 'CONSTR_NOTNULL' ? columns : contype === 'CONSTR_CHECK' ? nonNull(constraint.raw_expr) : [];
    if (proven.length === 0) return;
    if (conname) this.proofs.set(`${table}.${conname}`, { columns: proven, valid: !isNotValid });
    else if (!isNotValid) this.setNotNull(table, proven);
  }

  private setNotNull(table: string, columns: string[]): void {
    for (const column of columns) this.notNull.add(`${table}.${column}`);
  }

  private recordCommand(table: string, { subtype, name, def }: Tree): void {
    const proof = this.proofs.get(`${table}.${name}`);
    switch (subtype) {
      case 'AT_AddColumn':
        this.columns.get(table)?.add(def?.ColumnDef?.colname);
        this.recordColumn(table, def?.ColumnDef);
        return;
      case 'AT_AddConstraint':
        this.recordConstraint(table, def?.Constraint ?? {});
        return;
      case 'AT_ValidateConstraint':
        if (proof) proof.valid = true;
        return;
      case 'AT_SetNotNull':
        this.setNotNull(table, [name]);
        return;
      case 'AT_DropConstraint':
        this.proofs.delete(`${table}.${name}`);
        return;
      case 'AT_DropColumn':
        this.columns.get(table)?.delete(name);
        this.discardColumn(table, name);
        return;
      case 'AT_DropNotNull':
        this.discardColumn(table, name);
        return;
      default:
    }
  }

  private discardColumn(table: string, column: string): void {
    this.notNull.delete(`${table}.${column}`);
    for (const [name, { columns }] of this.proofs) {
      if (name.startsWith(`${table}.`) && columns.includes(column)) this.proofs.delete(name);
    }
  }

  /** A rename invalidates the facts about both names. */
  private discard({ renameType, relation, newname }: Tree): void {
    if (renameType === 'OBJECT_COLUMN' || renameType === 'OBJECT_TABLE') {
      this.discardTable(tableKey(relation));
      this.discardTable(tableKey({ ...relation, relname: newname }));
    }
    if (renameType === 'OBJECT_INDEX') {
      this.indexes.delete(relation?.relname);
      this.indexes.delete(newname);
    }
  }

  private discardTable(table: string): void {
    this.columns.delete(table);
    for (const name of [...this.notNull, ...this.proofs.keys()]) {
      if (!name.startsWith(`${table}.`)) continue;
      this.notNull.delete(name);
      this.proofs.delete(name);
    }
  }
}

function indexFact({ indexParams = [], unique }: Tree): IndexFact {
  const names: (string | undefined)[] = indexParams.map(({ IndexElem }: Tree) => IndexElem.name);
  const columns = names.filter((name): name is string => Boolean(name));
  return { columns: columns.length === names.length ? columns : [], unique: Boolean(unique) };
}

function isConstrained(domain: Tree, types: ReadonlyMap<string, boolean>): boolean {
  const base = texts(domain.typeName?.names).at(-1) ?? '';
  const checks = constraintsOf(domain).some(
    ({ contype }) => contype === 'CONSTR_CHECK' || contype === 'CONSTR_NOTNULL',
  );
  return checks || types.get(base) === true;
}

function isStable({ options = [] }: Tree): boolean {
  const volatility = options.find(({ DefElem }: Tree) => DefElem?.defname === 'volatility');
  return ['immutable', 'stable'].includes(volatility?.DefElem.arg?.String?.sval);
}

/** The columns of `x IS NOT NULL AND ...`. */
function nonNull(expression: Tree): string[] {
  const { NullTest: test, BoolExpr: bool } = expression ?? {};
  if (bool?.boolop === 'AND_EXPR') return bool.args.flatMap(nonNull);
  const column = test?.nulltesttype === 'IS_NOT_NULL' && texts(test.arg?.ColumnRef?.fields).at(-1);
  return column ? [column] : [];
}
