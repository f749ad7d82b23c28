/**
 * Limits how many connections of a pool the statements of one table hold at once. While a table is
 * locked, its statements wait for the lock; without a limit they would hold all connections, and
 * requests for other tables would fail, too.
 */
import type { Access } from '../access.js';
import { PoolExhausted } from './connection-errors.js';

/** Share of the pool for the statements of a table. */
const TABLE_SHARE = 3 / 4;
/** Share of the pool for writes of a main table. They also use tables of all writes, such as audit_events. */
const WRITE_SHARE = 1 / 2;

interface Waiter {
  access: Access;
  admit(): void;
}

export class TableLimits {
  readonly #perTable: number;
  readonly #writesPerTable: number;
  readonly #held = new Map<string, number>();
  readonly #writes = new Map<string, number>();
  readonly #waiting = new Set<Waiter>();

  constructor(
    connections: number,
    private readonly timeoutMs: number,
  ) {
    this.#perTable = Math.max(1, Math.floor(connections * TABLE_SHARE));
    this.#writesPerTable = Math.max(1, Math.floor(connections * WRITE_SHARE));
  }

  /** Number of statements that wait for others of the same table. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Undefined when the statement may run immediately. Rejects with PoolExhausted after the timeout. */
  enter(access: Access): Promise<void> | undefined {
    if (!this.#isFree(access)) return this.#wait(access);
    this.#count(access, 1);
    return undefined;
  }

  /** Call it once for each successful `enter`, when the connection is released. */
  leave(access: Access): void {
    this.#count(access, -1);
    for (const waiter of this.#waiting) {
      if (!this.#isFree(waiter.access)) continue;
      this.#count(waiter.access, 1);
      this.#waiting.delete(waiter);
      waiter.admit();
    }
  }

  #wait(access: Access): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(waiter);
        reject(
          new PoolExhausted(`statements on ${access.tables.join(', ')} hold their share of the connections`),
        );
      }, this.timeoutMs);
      const waiter = {
        access,
        admit: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      this.#waiting.add(waiter);
    });
  }

  #isFree({ mode, tables }: Access): boolean {
    const [main = ''] = tables;
    if (mode === 'write' && (this.#writes.get(main) ?? 0) >= this.#writesPerTable && main) return false;
    return tables.every((table) => (this.#held.get(table) ?? 0) < this.#perTable);
  }

  #count({ mode, tables }: Access, by: 1 | -1): void {
    for (const table of tables) this.#held.set(table, (this.#held.get(table) ?? 0) + by);
    const [main] = tables;
    if (mode === 'write' && main) this.#writes.set(main, (this.#writes.get(main) ?? 0) + by);
  }
}
