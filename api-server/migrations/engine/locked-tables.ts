/** Tables that a statement locks in a mode that conflicts with the traffic. */

import type { Statement } from '../../migration-lint/lint.js';
import { blocksTraffic, type LockMode, strongest } from '../../migration-lint/locks.js';
import { relationLocks } from '../../migration-lint/transaction.js';

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

/** Modes that conflict with a mode that blocks traffic, as in `pg_locks`. */
export function conflictsOf(mode: LockMode): readonly string[] {
  switch (mode) {
    case 'SHARE':
      return CONFLICTS_WITH_SHARE;
    case 'SHARE ROW EXCLUSIVE':
      return [...CONFLICTS_WITH_SHARE, 'ShareLock'];
    case 'EXCLUSIVE':
      return [...CONFLICTS_WITH_SHARE, 'ShareLock', 'RowShareLock'];
    default:
      return [...CONFLICTS_WITH_SHARE, 'ShareLock', 'RowShareLock', 'AccessShareLock'];
  }
}

/** The strongest lock of each table. */
export function lockedTables({ kind, body }: Statement): LockedTable[] {
  const locks = relationLocks(kind, body)
    .map(({ relation, mode }) => ({ table: quoted(relation), mode }))
    .filter(blocksTraffic);
  return [...Map.groupBy(locks, ({ table }) => table).values()].map((ofTable) => strongest(ofTable)!);
}

function quoted({ schemaname, relname }: { schemaname?: string; relname: string }): string {
  return [schemaname, relname]
    .filter((name) => name !== undefined && name !== '')
    .map((name) => `"${name!.replaceAll('"', '""')}"`)
    .join('.');
}
