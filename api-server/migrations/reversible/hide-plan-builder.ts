/** Collects the statements of a plan in the order in which hide, restore and purge run them. */
import type { Query } from '../engine/statement-gate.js';
import { IrreversibleError } from './changes.js';
import {
  canCreateSchema,
  type DependentRow,
  keyOf,
  type RelationRow,
  readRelation,
} from './hidden-catalog.js';
import { hiddenName, hiddenSchema, quoteIdent } from './hidden-names.js';
import { type SyncedColumn, type SyncTrigger, syncTrigger } from './sync-trigger.js';

export interface HidePlan {
  hide: string[];
  restore: string[];
  purge: string[];
  /** Descriptions of what is hidden, such as `column public.services.owner`. */
  objects: string[];
  /** Tables that restore and purge lock, qualified and quoted. */
  tables: string[];
  /** Sequences that count values which a hidden column could not store. */
  lostCounters: string[];
  /** Columns that the expressions of hidden columns read, as `droppedNames` names them: `column services.team`. */
  reads: string[];
}

export const EMPTY_PLAN: HidePlan = {
  ...{ hide: [], restore: [], purge: [], objects: [], tables: [], lostCounters: [], reads: [] },
};

/** The statements of one change. */
export interface PlannedChange {
  hide: string[];
  restore?: string[];
  purge?: string[];
  object?: string;
}

export interface PlannedTable {
  relation: RelationRow;
  synced: SyncedColumn[];
}

export class HidePlanBuilder {
  readonly #plan: HidePlan = structuredClone(EMPTY_PLAN);
  /** Statements that restore each change, in the order of the changes. */
  readonly #restores: string[][] = [];
  /** Keys of the objects that are hidden or dropped so far. */
  readonly #handled = new Set<string>();
  readonly #tables = new Map<number, PlannedTable>();
  #names = 0;
  #needsSchema = false;

  constructor(
    private readonly query: Query,
    private readonly migration: string,
  ) {}

  push(change: PlannedChange): void {
    this.#plan.hide.push(...change.hide);
    this.#restores.push(change.restore ?? []);
    this.#plan.purge.push(...(change.purge ?? []));
    if (change.object) this.#plan.objects.push(change.object);
  }

  /** Name for the next hidden object. */
  nextName(): string {
    this.#names += 1;
    return hiddenName(this.migration, this.#names);
  }

  /** The schema for hidden objects, quoted. It is created if a change uses it. */
  useSchema(): string {
    this.#needsSchema = true;
    return quoteIdent(hiddenSchema(this.migration));
  }

  /** Records that the change hides or drops an object, so that it may depend on later ones. */
  handle(catalog: string, oid: number, sub = 0): void {
    this.#handled.add(keyOf(catalog, oid, sub));
  }

  isHandled({ key, within }: DependentRow): boolean {
    return this.#handled.has(key) || this.#handled.has(within);
  }

  lockTable(name: string): void {
    if (!this.#plan.tables.includes(name)) this.#plan.tables.push(name);
  }

  /** Undefined if the table does not exist and `missingOk` is set. */
  async table(name: string, missingOk = false): Promise<PlannedTable | undefined> {
    const relation = await readRelation(this.query, name);
    if (!relation) {
      this.refuseMissing(`table ${name}`, missingOk);
      return undefined;
    }
    const table = this.#tables.get(relation.oid) ?? { relation, synced: [] };
    this.#tables.set(relation.oid, table);
    this.lockTable(relation.name);
    return table;
  }

  refuseMissing(title: string, missingOk: boolean): void {
    if (!missingOk) throw new IrreversibleError(`${title} does not exist`);
  }

  async finish(): Promise<HidePlan> {
    const plan = this.#plan;
    const triggers = this.#syncTriggers();
    if (this.#needsSchema) await this.#addSchema();
    plan.hide.push(...triggers.flatMap(({ create }) => create));
    plan.purge.unshift(...triggers.flatMap(({ purge }) => purge));
    plan.lostCounters.push(...triggers.map(({ lostCounter }) => lostCounter));
    plan.restore = [...triggers.flatMap(({ drop }) => drop), ...this.#restores.toReversed().flat()];
    return plan;
  }

  #syncTriggers(): SyncTrigger[] {
    const tables = [...this.#tables.values()].filter(({ synced }) => synced.length > 0);
    return tables.map(({ relation, synced }) => {
      const reads = synced.flatMap((column) => column.reads);
      this.#plan.reads.push(...reads.map((column) => `column ${relation.relation}.${column}`));
      return syncTrigger(this.nextName(), relation, synced);
    });
  }

  async #addSchema(): Promise<void> {
    if (!(await canCreateSchema(this.query))) {
      throw new IrreversibleError(
        'the role of the migrations may not create the schema for what is hidden: GRANT CREATE ON DATABASE',
      );
    }
    const schema = this.useSchema();
    this.#plan.hide.unshift(`CREATE SCHEMA ${schema}`);
    this.#restores.unshift([`DROP SCHEMA ${schema}`]);
    this.#plan.purge.push(`DROP SCHEMA IF EXISTS ${schema}`);
  }
}
