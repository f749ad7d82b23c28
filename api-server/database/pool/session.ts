/** Database session of one client, which guarantees that it reads its own writes. */
import { AsyncValue } from '../../../contract/async-value.js';
import type { Access } from '../access.js';

/** Session of one request or job. */
export class DatabaseSession {
  /** Whether it has written since `lsn` was read. */
  wrote = false;
  /** The result is cached for other clients, so it must not come from a lagging replica. */
  needsPrimary = false;
  /** The tables that it read and wrote, after `trackTables`. */
  tables: { reads: Set<string>; writes: Set<string> } | undefined;
  #cancelled: { reason: unknown } | undefined;
  /** Cancel functions of the running statements. */
  readonly #running = new Set<(reason: unknown) => void>();
  #asking: Promise<void> | undefined;

  /**
   * @param lsn position of the primary after the client's last write, if one is known
   * @param ask reads a later position from the shared writers
   */
  constructor(
    public lsn?: bigint,
    private readonly ask?: () => Promise<bigint | undefined>,
  ) {}

  /** Reads the position once, before the first read from a replica. Undefined without shared writers. */
  learnPosition(): Promise<void> | undefined {
    if (!this.ask) return undefined;
    this.#asking ??= this.ask().then((lsn) => {
      this.lsn = later(this.lsn, lsn);
    });
    return this.#asking;
  }

  /** Cancels running statements and rejects further ones. */
  cancel(reason: unknown): void {
    this.#cancelled ??= { reason };
    for (const cancel of this.#running) cancel(reason);
    this.#running.clear();
  }

  /** Starts to track the tables of the following statements. */
  trackTables(): { reads: ReadonlySet<string>; writes: ReadonlySet<string> } {
    this.tables ??= { reads: new Set(), writes: new Set() };
    return this.tables;
  }

  /** Called for each statement before it runs. */
  recordAccess({ mode, tables }: Access): void {
    if (mode === 'write') this.wrote = true;
    if (!this.tables) return;
    for (const table of tables) {
      this.tables.reads.add(table);
      if (mode === 'write') this.tables.writes.add(table);
    }
  }

  get isCancelled(): boolean {
    return this.#cancelled !== undefined;
  }

  throwIfCancelled(): void {
    if (this.#cancelled) throw this.#cancelled.reason;
  }

  /**
   * Calls `cancel` if the session is cancelled while `work` runs. Not an AbortSignal, which would
   * cost more time than many statements.
   */
  async cancellable<T>(cancel: (reason: unknown) => void, work: () => Promise<T>): Promise<T> {
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

/** Without a session, as in a job, all reads go to the primary. */
export const databaseSession = new AsyncValue<DatabaseSession>('database session');

const LSN = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i;

/** Parses a WAL position such as 0/16B3748; undefined when it is invalid. */
export function parseLsn(text: string | undefined): bigint | undefined {
  const [, high, low] = LSN.exec(text ?? '') ?? [];
  return high && low ? (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`) : undefined;
}

export function formatLsn(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`.toUpperCase();
}
