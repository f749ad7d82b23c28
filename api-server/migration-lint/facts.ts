/** What earlier statements, of this migration and of older ones, say of the schema. All but tables are known by name, without their schema. */
import { commandsOf, constraintsOf, type Tree, tableKey, texts } from './ast.js';
import { callsUserCode } from './functions.js';

interface IndexFact {
  /** Empty if it has an expression. */
  columns: string[];
  unique: boolean;
}

interface FunctionFact {
  /** IMMUTABLE or STABLE. */
  isStable: boolean;
  /** A call by a name of PostgreSQL's own may mean it: its parameters can match better. */
  hasParameters: boolean;
}

export class Facts {
  /** Columns by `tableKey`, of tables that a migration creates column by column. */
  columns = new Map<string, Set<string>>();
  indexes = new Map<string, IndexFact>();
  /** True: a domain with a constraint. */
  types = new Map<string, boolean>();
  functions = new Map<string, FunctionFact>();
  operators = new Set<string>();
  /** Views whose queries call user-defined functions. */
  callingViews = new Set<string>();
  private notNull = new Set<string>();
  /** Constraints that prove that columns have no NULL: `table.constraint`. */
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

  learn(kind: string, body: Tree): void {
    switch (kind) {
      case 'CreateStmt':
        if (!body.if_not_exists) this.learnTable(body);
        return;
      case 'AlterTableStmt':
        for (const command of commandsOf(body)) this.learnCommand(tableKey(body.relation), command);
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
      case 'ViewStmt':
        if (callsUserCode(body.query, this)) this.callingViews.add(body.view?.relname);
        return;
      case 'RenameStmt':
        this.forget(body);
        return;
      default:
    }
  }

  private learnTable({ relation, tableElts = [], inhRelations, ofTypename }: Tree): void {
    const table = tableKey(relation);
    this.forgetTable(table);
    const columns = new Set<string>();
    for (const { ColumnDef: column, Constraint: constraint } of tableElts) {
      if (column) columns.add(column.colname);
      if (column) this.learnColumn(table, column);
      if (constraint) this.learnConstraint(table, constraint);
    }
    const hasMore = inhRelations || ofTypename || tableElts.some((one: Tree) => one.TableLikeClause);
    if (!hasMore) this.columns.set(table, columns);
  }

  private learnColumn(table: string, column: Tree): void {
    for (const constraint of constraintsOf(column)) {
      this.learnConstraint(table, { ...constraint, keys: [{ String: { sval: column.colname } }] });
    }
  }

  private learnConstraint(table: string, constraint: Tree): void {
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

  private learnCommand(table: string, { subtype, name, def }: Tree): void {
    const proof = this.proofs.get(`${table}.${name}`);
    switch (subtype) {
      case 'AT_AddColumn':
        this.columns.get(table)?.add(def?.ColumnDef?.colname);
        this.learnColumn(table, def?.ColumnDef);
        return;
      case 'AT_AddConstraint':
        this.learnConstraint(table, def?.Constraint ?? {});
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
        this.forgetColumn(table, name);
        return;
      case 'AT_DropNotNull':
        this.forgetColumn(table, name);
        return;
      default:
    }
  }

  private forgetColumn(table: string, column: string): void {
    this.notNull.delete(`${table}.${column}`);
    for (const [name, { columns }] of this.proofs) {
      if (name.startsWith(`${table}.`) && columns.includes(column)) this.proofs.delete(name);
    }
  }

  /** After a rename nothing that was known of either name is relied on. */
  private forget({ renameType, relation, newname }: Tree): void {
    if (renameType === 'OBJECT_COLUMN' || renameType === 'OBJECT_TABLE') {
      this.forgetTable(tableKey(relation));
      this.forgetTable(tableKey({ ...relation, relname: newname }));
    }
    if (renameType === 'OBJECT_INDEX') {
      this.indexes.delete(relation?.relname);
      this.indexes.delete(newname);
    }
  }

  private forgetTable(table: string): void {
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
