/** Plans how the changes of a contract migration are hidden, restored and purged in this database. Read-only. */
import type { Query } from '../engine/statement-gate.js';
import { type Change, IrreversibleError, type MovedKind } from './changes.js';
import * as catalog from './hidden-catalog.js';
import { hiddenName, hiddenSchema, quoteIdent } from './hidden-names.js';
import { columnKey, type ReversibleContract } from './reversibility.js';
import { type SyncedColumn, type SyncTrigger, syncTrigger } from './sync-trigger.js';

export interface HidePlan {
  hide: string[];
  /** In the order in which they run. */
  restore: string[];
  purge: string[];
  /** Descriptions of what is hidden, such as `column services.owner`. */
  objects: string[];
  /** Tables that restore and purge lock, qualified and quoted. */
  tables: string[];
  /** Sequences that count values which a hidden column could not store. */
  lostCounters: string[];
}

/**
 * Throws an {@link IrreversibleError}, and the error of PostgreSQL if an expression is not valid. Must run inside of a
 * transaction, because it sets `search_path` for some of its queries.
 */
export async function planHide(
  query: Query,
  migration: string,
  contract: ReversibleContract,
): Promise<HidePlan> {
  const planner = new HidePlanner(query, migration, contract);
  for (const change of contract.changes) await planner.add(change);
  return planner.finish();
}

interface Table {
  relation: catalog.RelationRow;
  synced: SyncedColumn[];
}

class HidePlanner {
  readonly #plan: HidePlan = { hide: [], restore: [], purge: [], objects: [], tables: [], lostCounters: [] };
  /** Statements that restore each change, in the order of the changes. */
  readonly #restores: string[][] = [];
  /** Keys of the objects that are hidden or dropped so far. */
  readonly #handled = new Set<string>();
  readonly #tables = new Map<number, Table>();
  #names = 0;
  #needsSchema = false;

  constructor(
    private readonly query: Query,
    private readonly migration: string,
    private readonly contract: ReversibleContract,
  ) {}

  add(change: Change): Promise<void> {
    switch (change.kind) {
      case 'column':
        return this.#column(change);
      case 'constraint':
        return this.#constraint(change);
      case 'trigger':
        return this.#trigger(change);
      case 'index':
        return this.#index(change);
      case 'object':
        return this.#object(change);
      case 'routine':
        return this.#routine(change);
      case 'not-null':
        return this.#notNull(change);
      case 'drop-default':
        return this.#dropDefault(change);
      case 'validate':
        return this.#validate(change);
    }
  }

  async finish(): Promise<HidePlan> {
    const plan = this.#plan;
    const triggers = this.#syncTriggers();
    if (this.#needsSchema) {
      if (!(await catalog.canCreateSchema(this.query))) {
        throw new IrreversibleError(
          'the role of the migrations may not create the schema for what is hidden: GRANT CREATE ON DATABASE',
        );
      }
      const schema = quoteIdent(hiddenSchema(this.migration));
      plan.hide.unshift(`CREATE SCHEMA ${schema}`);
      this.#restores.unshift([`DROP SCHEMA ${schema}`]);
      plan.purge.push(`DROP SCHEMA ${schema}`);
    }
    plan.hide.push(...triggers.flatMap(({ create }) => create));
    plan.purge.unshift(...triggers.flatMap(({ drop }) => drop));
    plan.lostCounters.push(...triggers.map(({ lostCounter }) => lostCounter));
    plan.restore = [...triggers.flatMap(({ drop }) => drop), ...this.#restores.toReversed().flat()];
    return plan;
  }

  #syncTriggers(): SyncTrigger[] {
    return [...this.#tables.values()]
      .filter(({ synced }) => synced.length > 0)
      .map(({ relation, synced }) => syncTrigger(this.#nextName(), relation, synced));
  }

  async #column({ table, column, missingOk }: Change & { kind: 'column' }): Promise<void> {
    const found = await this.#table(table, missingOk);
    if (!found) return;
    const { relation, synced } = found;
    const row = await catalog.readColumn(this.query, relation.oid, column);
    const title = `column ${relation.name}.${column}`;
    if (!row) return this.#missing(title, missingOk);
    const expression = this.contract.expressions.get(columnKey(table, column));
    if (!expression && row.isNotNull && !row.hasDefault && !row.isGenerated) {
      throw new IrreversibleError(
        `${title} is NOT NULL without a default, so the new version can't insert rows while it is hidden: declare \`restore\` for it`,
      );
    }
    await this.#refuseDependents('pg_class', relation.oid, row.number, title);
    if (expression && !row.isGenerated) {
      await this.#checkExpression(relation, column, expression);
    }
    const hidden = this.#nextName();
    this.#handled.add(catalog.keyOf('pg_class', relation.oid, row.number));
    const rename = (from: string, to: string) =>
      `ALTER TABLE ${relation.name} RENAME COLUMN ${quoteIdent(from)} TO ${quoteIdent(to)}`;
    this.#push({
      hide: [rename(column, hidden)],
      restore: [rename(hidden, column)],
      purge: [`ALTER TABLE ${relation.name} DROP COLUMN ${quoteIdent(hidden)}`],
      object: title,
    });
    if (expression && !row.isGenerated) {
      synced.push({ hidden, expression: expression.sql, isNotNull: row.isNotNull });
    }
  }

  /** The cast is that of an assignment, so the server reports an expression of a wrong type. */
  async #checkExpression(
    { oid, name }: catalog.RelationRow,
    column: string,
    { sql, reads }: { sql: string; reads: string[] },
  ): Promise<void> {
    const generated = await catalog.readGeneratedColumns(this.query, oid);
    const unreadable = reads.find((one) => generated.includes(one));
    if (unreadable) {
      throw new IrreversibleError(
        `\`restore\` of ${column} reads the generated column ${unreadable}, which a trigger can't read: use the columns that it is generated from`,
      );
    }
    await this.query(`EXPLAIN SELECT (${sql}\n)::text FROM ${name}`);
  }

  async #constraint({ table, name, missingOk }: Change & { kind: 'constraint' }): Promise<void> {
    const found = await this.#table(table, missingOk);
    if (!found) return;
    const { relation } = found;
    const row = await catalog.readConstraint(this.query, relation.oid, name);
    const title = `constraint ${name} on ${relation.name}`;
    if (!row) return this.#missing(title, missingOk);
    if (!['c', 'f', 'n'].includes(row.type)) {
      throw new IrreversibleError(
        `${title} is unique: rows of the new version may violate it, so it can't be added again`,
      );
    }
    if (relation.kind === 'p' && row.type === 'f') {
      throw new IrreversibleError(
        `${title} is a foreign key of a partitioned table, which can't be NOT VALID`,
      );
    }
    this.#handled.add(catalog.keyOf('pg_constraint', row.oid));
    const notValid = row.definition.endsWith(' NOT VALID') ? '' : ' NOT VALID';
    this.#push({
      hide: [`ALTER TABLE ${relation.name} DROP CONSTRAINT ${quoteIdent(name)}`],
      restore: [
        `ALTER TABLE ${relation.name} ADD CONSTRAINT ${quoteIdent(name)} ${row.definition}${notValid}`,
      ],
      object: `${title} (NOT VALID after a restore)`,
    });
  }

  async #trigger({ table, name, missingOk }: Change & { kind: 'trigger' }): Promise<void> {
    const found = await this.#table(table, missingOk);
    if (!found) return;
    const { relation } = found;
    const row = await catalog.readTrigger(this.query, relation.oid, name);
    const title = `trigger ${name} on ${relation.name}`;
    if (!row) return this.#missing(title, missingOk);
    this.#handled.add(catalog.keyOf('pg_trigger', row.oid));
    const state = { D: 'DISABLE', R: 'ENABLE REPLICA', A: 'ENABLE ALWAYS' }[row.enabled];
    this.#push({
      hide: [`DROP TRIGGER ${quoteIdent(name)} ON ${relation.name}`],
      restore: [
        row.definition,
        ...(state ? [`ALTER TABLE ${relation.name} ${state} TRIGGER ${quoteIdent(name)}`] : []),
      ],
      object: title,
    });
  }

  async #index({ name, missingOk }: Change & { kind: 'index' }): Promise<void> {
    const relation = await catalog.readRelation(this.query, name);
    if (!relation) return this.#missing(`index ${name}`, missingOk);
    const title = `index ${relation.name}`;
    if (await catalog.isUniqueIndex(this.query, relation.oid)) {
      throw new IrreversibleError(
        `${title} is unique: rows of the new version may violate it, so it can't be created again`,
      );
    }
    this.#lockTable(await catalog.tableOfIndex(this.query, relation.oid));
    const hidden = this.#nextName();
    const hiddenQualified = `${quoteIdent(relation.schema)}.${quoteIdent(hidden)}`;
    this.#push({
      hide: [`ALTER INDEX ${relation.name} RENAME TO ${quoteIdent(hidden)}`],
      restore: [`ALTER INDEX ${hiddenQualified} RENAME TO ${quoteIdent(relation.relation)}`],
      purge: [`DROP INDEX ${hiddenQualified}`],
      object: title,
    });
  }

  /** Indexes, constraints and owned sequences of a table move with it. */
  async #object({ type, name, missingOk }: Change & { kind: 'object' }): Promise<void> {
    const isType = type === 'TYPE' || type === 'DOMAIN';
    const row = isType
      ? await catalog.readType(this.query, name)
      : await catalog.readRelation(this.query, name);
    const title = `${type.toLowerCase()} ${row?.name ?? name}`;
    if (!row) return this.#missing(title, missingOk);
    const classOf = isType ? 'pg_type' : 'pg_class';
    this.#handled.add(catalog.keyOf(classOf, row.oid));
    await this.#refuseDependents(classOf, row.oid, 0, title);
    if (!isType) this.#lockTable(row.name);
    this.#move(type, row, quoteIdent(row.relation), title);
  }

  async #routine({ type, statement, missingOk }: Change & { kind: 'routine' }): Promise<void> {
    const row = await catalog.readRoutine(this.query, statement);
    const title = `${type.toLowerCase()} ${row?.signature ?? statement}`;
    if (!row) return this.#missing(title, missingOk);
    this.#handled.add(catalog.keyOf('pg_proc', row.oid));
    await this.#refuseDependents('pg_proc', row.oid, 0, title);
    const qualified = `${quoteIdent(row.schema)}.${quoteIdent(row.name)}(${row.args})`;
    this.#move(type, { name: qualified, schema: row.schema }, `${quoteIdent(row.name)}(${row.args})`, title);
  }

  #move(
    type: MovedKind | 'FUNCTION' | 'PROCEDURE',
    { name, schema }: { name: string; schema: string },
    unqualified: string,
    title: string,
  ): void {
    this.#needsSchema = true;
    const hidden = quoteIdent(hiddenSchema(this.migration));
    this.#push({
      hide: [`ALTER ${type} ${name} SET SCHEMA ${hidden}`],
      restore: [`ALTER ${type} ${hidden}.${unqualified} SET SCHEMA ${quoteIdent(schema)}`],
      purge: [`DROP ${type} ${hidden}.${unqualified}`],
      object: title,
    });
  }

  async #notNull({ table, column }: Change & { kind: 'not-null' }): Promise<void> {
    const { relation } = (await this.#table(table, false))!;
    const row = await catalog.readColumn(this.query, relation.oid, column);
    const alter = `ALTER TABLE ${relation.name} ALTER COLUMN ${quoteIdent(column)}`;
    this.#push({
      hide: [`${alter} SET NOT NULL`],
      restore: row?.isNotNull ? [] : [`${alter} DROP NOT NULL`],
    });
  }

  async #dropDefault({ table, column }: Change & { kind: 'drop-default' }): Promise<void> {
    const { relation } = (await this.#table(table, false))!;
    const row = await catalog.readColumn(this.query, relation.oid, column);
    const alter = `ALTER TABLE ${relation.name} ALTER COLUMN ${quoteIdent(column)}`;
    this.#push({
      hide: [`${alter} DROP DEFAULT`],
      restore: row?.default ? [`${alter} SET DEFAULT ${row.default}`] : [],
    });
  }

  /** The old version writes rows that satisfy the constraint, which applies since an earlier migration. */
  async #validate({ table, name }: Change & { kind: 'validate' }): Promise<void> {
    const { relation } = (await this.#table(table, false))!;
    this.#push({ hide: [`ALTER TABLE ${relation.name} VALIDATE CONSTRAINT ${quoteIdent(name)}`] });
  }

  async #table(name: string, missingOk: boolean): Promise<Table | undefined> {
    const relation = await catalog.readRelation(this.query, name);
    if (!relation) {
      this.#missing(`table ${name}`, missingOk);
      return undefined;
    }
    const known = this.#tables.get(relation.oid) ?? { relation, synced: [] };
    this.#tables.set(relation.oid, known);
    this.#lockTable(relation.name);
    return known;
  }

  #lockTable(name: string): void {
    if (!this.#plan.tables.includes(name)) this.#plan.tables.push(name);
  }

  #missing(title: string, missingOk: boolean): void {
    if (!missingOk) throw new IrreversibleError(`${title} does not exist`);
  }

  /** The DROP would fail because of them, and the purge as well. */
  async #refuseDependents(classOf: string, oid: number, column: number, title: string): Promise<void> {
    const own = catalog.keyOf('pg_class', oid);
    for (const { key, within, description } of await catalog.readDependents(
      this.query,
      classOf,
      oid,
      column,
    )) {
      // PostgreSQL drops a constraint of the table with its column.
      if (this.#handled.has(key) || this.#handled.has(within)) continue;
      if (within === own && key.startsWith('pg_constraint')) continue;
      throw new IrreversibleError(`${description} depends on ${title}`);
    }
  }

  #push(change: { hide: string[]; restore?: string[]; purge?: string[]; object?: string }): void {
    this.#plan.hide.push(...change.hide);
    this.#restores.push(change.restore ?? []);
    this.#plan.purge.push(...(change.purge ?? []));
    if (change.object) this.#plan.objects.push(change.object);
  }

  #nextName(): string {
    this.#names += 1;
    return hiddenName(this.migration, this.#names);
  }
}
