/** PostgreSQL's table-level locks. */

/** Ordered from the weakest to the strongest. */
export const LOCK_MODES = [
  'ACCESS SHARE',
  'ROW SHARE',
  'ROW EXCLUSIVE',
  'SHARE UPDATE EXCLUSIVE',
  'SHARE',
  'SHARE ROW EXCLUSIVE',
  'EXCLUSIVE',
  'ACCESS EXCLUSIVE',
] as const;

export type LockMode = (typeof LOCK_MODES)[number];

export interface HeldLock {
  table: string;
  mode: LockMode;
}

/** SHARE and stronger locks conflict with INSERT, UPDATE and DELETE. */
export function blocksTraffic({ mode }: HeldLock): boolean {
  return LOCK_MODES.indexOf(mode) >= LOCK_MODES.indexOf('SHARE');
}

export function strongest(locks: (HeldLock | undefined)[]): HeldLock | undefined {
  const rank = (lock: HeldLock) => LOCK_MODES.indexOf(lock.mode);
  return locks
    .filter((one) => one !== undefined)
    .reduce<HeldLock | undefined>((best, one) => (best && rank(best) >= rank(one) ? best : one), undefined);
}
