/** What one caller did to the database, so that it reads what it wrote. */
import { AsyncLocalStorage } from 'node:async_hooks';

/** One request, or one job. */
export class DatabaseSession {
  /** Whether it has written since `lsn` was taken. */
  wrote = false;

  /**
   * @param lsn the primary's position after the caller's last write, if it is known to have written
   * @param signal ends the statement that is running, on the server too
   */
  constructor(
    public lsn?: bigint,
    public signal?: AbortSignal,
  ) {}
}

/** Without a session, as in a job, everything is read from the primary. */
export const databaseSession = new AsyncLocalStorage<DatabaseSession>();

const LSN = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i;

/** A position in PostgreSQL's log such as 0/16B3748; undefined when it is none. */
export function parseLsn(text: string | undefined): bigint | undefined {
  const [, high, low] = LSN.exec(text ?? '') ?? [];
  return high && low ? (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`) : undefined;
}

export function formatLsn(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`.toUpperCase();
}
