/** Plans how the changes of a contract migration are hidden, restored and purged in this database. Read-only. */
import type { Query } from '../engine/statement-gate.js';
import { type Change, IrreversibleError, type MovedKind } from './changes.js';
import * as catalog from './hidden-catalog.js';
import { quoteIdent } from './hidden-names.js';
import { type HidePlan, HidePlanBuilder } from './hide-plan-builder.js';
import { columnKey, type ReversibleContract } from './reversibility.js';

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

class HidePlanner {
  readonly #builder: HidePlanBuilder;

  constructor(
    private readonly query: Query,
    migration: string,
    private readonly contract: ReversibleContract,
  ) {
    this.#builder = new HidePlanBuilder(query, migration);
  }

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

  finish(): Promise<HidePlan> {
    return this.#builder.finish();
  }

  async #column({ table, column, missingOk }: Change & { kind: 'column' }): Promise<void> {
    const found = await this.#builder.table(table, missingOk);
    if (!found) return;
    const { relation, synced } = found;
    const row = await catalog.readColumn(this.query, relation.oid, column);
    const title = `column ${relation.name}.${column}`;
    if (!row) return this.#builder.refuseMissing(title, missingOk);
    const expression = this.contract.expressions.get(columnKey(table, column));
    if (!expression && row.isNotNull && !row.hasDefault && !row.isGenerated) {
      throw new IrreversibleError(
        `${title} is NOT NULL without a default, so the new version can't insert rows while it is hidden: declare \`restore\` for it`,
      );
    }
    await this.#refuseDependents('pg_class', relation.oid, row.number, title);
    const publication = await catalog.readPublication(this.query, relation.oid, column);
    if (publication !== undefined) {
      throw new IrreversibleError(
        `${title} is published by ${publication}: subscribers have no column with the name of the hidden one, so their replication would stop; give the publication a list of columns without it`,
      );
    }
    if (expression && !row.isGenerated) {
      await this.#checkExpression(relation, column, expression);
    }
    const hidden = this.#builder.nextName();
    this.#builder.handle('pg_class', relation.oid, row.number);
    const rename = (from: string, to: string) =>
      `ALTER TABLE ${relation.name} RENAME COLUMN ${quoteIdent(from)} TO ${quoteIdent(to)}`;
    this.#builder.push({
      hide: [rename(column, hidden)],
      restore: [rename(hidden, column)],
      // IF EXISTS: a newer contract may have hidden or dropped the table.
      purge: [`ALTER TABLE IF EXISTS ${relation.name} DROP COLUMN IF EXISTS ${quoteIdent(hidden)}`],
      object: title,
    });
    if (expression && !row.isGenerated) {
      const { sql, reads } = expression;
      const readsColumnsOnly = await this.#areColumns(relation.oid, reads);
      synced.push({ hidden, expression: sql, reads, readsColumnsOnly, isNotNull: row.isNotNull });
    }
  }

  /** Not so for a reference to the whole row, or to a column of a subquery. */
  async #areColumns(relation: catalog.RelationRow['oid'], names: readonly string[]): Promise<boolean> {
    for (const name of names) if (!(await catalog.readColumn(this.query, relation, name))) return false;
    return names.length > 0;
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
    const found = await this.#builder.table(table, missingOk);
    if (!found) return;
    const { relation } = found;
    const row = await catalog.readConstraint(this.query, relation.oid, name);
    const title = `constraint ${name} on ${relation.name}`;
    if (!row) return this.#builder.refuseMissing(title, missingOk);
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
    this.#builder.handle('pg_constraint', row.oid);
    const notValid = row.definition.endsWith(' NOT VALID') ? '' : ' NOT VALID';
    this.#builder.push({
      hide: [`ALTER TABLE ${relation.name} DROP CONSTRAINT ${quoteIdent(name)}`],
      restore: [
        `ALTER TABLE ${relation.name} ADD CONSTRAINT ${quoteIdent(name)} ${row.definition}${notValid}`,
      ],
      object: `${title} (NOT VALID after a restore)`,
    });
  }

  async #trigger({ table, name, missingOk }: Change & { kind: 'trigger' }): Promise<void> {
    const found = await this.#builder.table(table, missingOk);
    if (!found) return;
    const { relation } = found;
    const row = await catalog.readTrigger(this.query, relation.oid, name);
    const title = `trigger ${name} on ${relation.name}`;
    if (!row) return this.#builder.refuseMissing(title, missingOk);
    this.#builder.handle('pg_trigger', row.oid);
    const state = { D: 'DISABLE', R: 'ENABLE REPLICA', A: 'ENABLE ALWAYS' }[row.enabled];
    this.#builder.push({
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
    if (!relation) return this.#builder.refuseMissing(`index ${name}`, missingOk);
    const title = `index ${relation.name}`;
    if (await catalog.isUniqueIndex(this.query, relation.oid)) {
      throw new IrreversibleError(
        `${title} is unique: rows of the new version may violate it, so it can't be created again`,
      );
    }
    this.#builder.lockTable(await catalog.tableOfIndex(this.query, relation.oid));
    const hidden = this.#builder.nextName();
    const hiddenQualified = `${quoteIdent(relation.schema)}.${quoteIdent(hidden)}`;
    this.#builder.push({
      hide: [`ALTER INDEX ${relation.name} RENAME TO ${quoteIdent(hidden)}`],
      restore: [`ALTER INDEX ${hiddenQualified} RENAME TO ${quoteIdent(relation.relation)}`],
      purge: [`DROP INDEX IF EXISTS ${hiddenQualified}`],
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
    if (!row) return this.#builder.refuseMissing(title, missingOk);
    const classOf = isType ? 'pg_type' : 'pg_class';
    this.#builder.handle(classOf, row.oid);
    await this.#refuseDependents(classOf, row.oid, 0, title);
    if (!isType) this.#builder.lockTable(row.name);
    this.#move(type, row, quoteIdent(row.relation), title);
  }

  async #routine({ type, statement, missingOk }: Change & { kind: 'routine' }): Promise<void> {
    const row = await catalog.readRoutine(this.query, statement);
    const title = `${type.toLowerCase()} ${row?.signature ?? statement}`;
    if (!row) return this.#builder.refuseMissing(title, missingOk);
    this.#builder.handle('pg_proc', row.oid);
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
    const hidden = this.#builder.useSchema();
    this.#builder.push({
      hide: [`ALTER ${type} ${name} SET SCHEMA ${hidden}`],
      restore: [`ALTER ${type} ${hidden}.${unqualified} SET SCHEMA ${quoteIdent(schema)}`],
      purge: [`DROP ${type} ${hidden}.${unqualified}`],
      object: title,
    });
  }

  async #notNull({ table, column }: Change & { kind: 'not-null' }): Promise<void> {
    const { relation } = (await this.#builder.table(table, false))!;
    const row = await catalog.readColumn(this.query, relation.oid, column);
    const alter = `ALTER TABLE ${relation.name} ALTER COLUMN ${quoteIdent(column)}`;
    this.#builder.push({
      hide: [`${alter} SET NOT NULL`],
      restore: row?.isNotNull ? [] : [`${alter} DROP NOT NULL`],
    });
  }

  async #dropDefault({ table, column }: Change & { kind: 'drop-default' }): Promise<void> {
    const { relation } = (await this.#builder.table(table, false))!;
    const row = await catalog.readColumn(this.query, relation.oid, column);
    const alter = `ALTER TABLE ${relation.name} ALTER COLUMN ${quoteIdent(column)}`;
    this.#builder.push({
      hide: [`${alter} DROP DEFAULT`],
      restore: row?.default ? [`${alter} SET DEFAULT ${row.default}`] : [],
    });
  }

  /** The old version writes rows that satisfy the constraint, which applies since an earlier migration. */
  async #validate({ table, name }: Change & { kind: 'validate' }): Promise<void> {
    const { relation } = (await this.#builder.table(table, false))!;
    this.#builder.push({ hide: [`ALTER TABLE ${relation.name} VALIDATE CONSTRAINT ${quoteIdent(name)}`] });
  }

  /** The DROP would fail because of them, and the purge as well. */
  async #refuseDependents(classOf: string, oid: number, column: number, title: string): Promise<void> {
    const own = catalog.keyOf('pg_class', oid);
    for (const dependent of await catalog.readDependents(this.query, classOf, oid, column)) {
      const { key, within, description } = dependent;
      if (this.#builder.isHandled(dependent)) continue;
      // PostgreSQL drops a constraint of the table with its column.
      if (within === own && key.startsWith('pg_constraint')) continue;
      throw new IrreversibleError(`${description} depends on ${title}`);
    }
  }
}
