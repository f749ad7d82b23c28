/** What one caller did to the database, so that it reads what it wrote. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { tablesIn } from './statement-tables.js';

/** One request, or one job. */
export class DatabaseSession {
  /** Whether it has written since `lsn` was taken. */
  wrote = false;
  /** What it reads is kept for others, so it must not be from a replica that is behind. */
  needsPrimary = false;
  /** The tables it read and wrote, from when somebody wants to know. */
  tables: { reads: Set<string>; writes: Set<string> } | undefined;
  #cancelled: { reason: unknown } | undefined;
  /** What to do when it is cancelled: one for each statement that is running. */
  readonly #running = new Set<() => void>();

  #asking: Promise<void> | undefined;

  /**
   * @param lsn the primary's position after the caller's last write, if it is known to have written
   * @param ask asks who may know of a later one
   */
  constructor(
    public lsn?: bigint,
    private readonly ask?: () => Promise<bigint | undefined>,
  ) {}

  /** Undefined when there is nobody to ask; asked is once, before the first read from a replica. */
  learnPosition(): Promise<void> | undefined {
    if (!this.ask) return undefined;
    this.#asking ??= this.ask().then((lsn) => {
      this.lsn = later(this.lsn, lsn);
    });
    return this.#asking;
  }

  /** Ends what it is doing in the database, and lets nothing more begin: nobody waits for it any more. */
  cancel(reason: unknown): void {
    this.#cancelled ??= { reason };
    for (const cancel of this.#running) cancel();
    this.#running.clear();
  }

  /** From now on. */
  trackTables(): { reads: ReadonlySet<string>; writes: ReadonlySet<string> } {
    this.tables ??= { reads: new Set(), writes: new Set() };
    return this.tables;
  }

  /** Said of every statement before it runs. */
  noteTables(text: string): void {
    if (!this.tables) return;
    const { reads, writes } = tablesIn(text);
    for (const table of reads) this.tables.reads.add(table);
    for (const table of writes) this.tables.writes.add(table);
  }

  get isCancelled(): boolean {
    return this.#cancelled !== undefined;
  }

  throwIfCancelled(): void {
    if (this.#cancelled) throw this.#cancelled.reason;
  }

  /** While `work` runs, `cancel` is called if the session is cancelled. Not an AbortSignal: those cost more than many a statement. */
  async cancellable<T>(cancel: () => void, work: () => Promise<T>): Promise<T> {
    this.#running.add(cancel);
    try {
      return await work();
    } finally {
      this.#running.delete(cancel);
    }
  }
}

export function later(one: bigint | undefined, other: bigint | undefined): bigint | undefined {
  return one === undefined || (other !== undefined && other > one) ? other : one;
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
