/** Changes of rows, together with what else must be written if they are made: one statement, so all of it or nothing. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { DataSource } from 'typeorm';
import type { Bindings } from './conditions.js';

/** Writes something along with a change that it knows nothing of. */
export interface Companion {
  /**
   * A further part of the WITH: what is to be written for the rows of `changed`, another part, which
   * have an id and are of a type. Undefined when there is nothing to be written any more.
   */
  sql(changed: string, type: string, bindings: Bindings): string | undefined;
  /** It is written. */
  written(): void;
}

export interface ChangeStatement<Row> {
  /** What is changed, as the API calls it. */
  type: string;
  /** Parts of the WITH, of which one makes the change. */
  parts: readonly string[];
  /** The part that has the rows that were changed. */
  changed?: string;
  /** What stands after the WITH. */
  select: string;
  bindings: Bindings;
  /** Whether something was changed; when left out, whether there are any rows. */
  isChange?(rows: Row[]): boolean;
}

const companions = new AsyncLocalStorage<Companion>();

/** The first change that is made by `work` is made together with what the companion writes. */
export function withCompanion<T>(companion: Companion, work: () => T): T {
  return companions.run(companion, work);
}

export async function makeChange<Row extends object>(
  dataSource: DataSource,
  {
    type,
    parts,
    changed = 'changed',
    select,
    bindings,
    isChange = ({ length }) => length > 0,
  }: ChangeStatement<Row>,
): Promise<Row[]> {
  const companion = companions.getStore();
  const more = companion?.sql(changed, type, bindings);
  const all = more ? [...parts, more] : parts;
  // In a WITH, so that TypeORM answers with the rows, as it does for any SELECT.
  const rows: Row[] = await dataSource.query(`WITH ${all.join(', ')} ${select}`, bindings.values);
  if (more && isChange(rows)) companion?.written();
  return rows;
}
