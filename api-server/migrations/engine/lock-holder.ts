/** Sessions that block a migration: another migration run, or a transaction that holds a conflicting lock. */
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { QueryRunner } from 'typeorm';
import type { LockHolder } from '../../../contract/image.js';

/** Key of the advisory lock of migration runs: "pcf" and "api" in ASCII. Advisory locks are per database. */
export const LOCK_KEY = [0x706366, 0x617069] as const;

/**
 * Includes the host name, in a cluster the name of the pod. PostgreSQL truncates it to 63 bytes, so its end
 * is used.
 */
export const APPLICATION_NAME = `pcf-api migrate ${hostname().slice(-46)}`;

// Without `pg_read_all_stats`, all columns but the pid are NULL for sessions of other roles.
export const HOLDER = `a.pid, coalesce(a.application_name, '') AS application, a.usename AS "user",
  host(a.client_addr) AS client, a.state, coalesce(a.xact_start, a.backend_start) AS since`;

/** The session that holds the advisory lock of migration runs, if any. */
export async function runHolder(runner: QueryRunner): Promise<LockHolder | undefined> {
  const rows = await runner.query(
    `SELECT ${HOLDER} FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE l.locktype = 'advisory' AND l.granted AND (l.classid, l.objid, l.objsubid) = ($1, $2, 2)
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [...LOCK_KEY],
  );
  return holderOf('run', rows[0]);
}

/** Minimum interval between reports: in a moving lock queue the blocking session changes with each poll. */
const REPORT_EVERY_MS = 2_000;

/**
 * Polls, on another connection, which session blocks the session `pid`. Reports the first blocking session,
 * changes of it, and its end. Stores the last blocking session.
 */
export class BlockerWatch implements AsyncDisposable {
  #last: LockHolder | undefined;
  readonly #stop = new AbortController();
  readonly #finished: Promise<void>;

  constructor(
    private readonly runner: QueryRunner,
    pid: number,
    private readonly everyMs: number,
    private readonly onChange: (holder: LockHolder | undefined) => void = () => {},
  ) {
    this.#finished = this.#watch(pid);
  }

  /** Returns the last blocking session, and clears it. */
  takeLast(): LockHolder | undefined {
    const last = this.#last;
    this.#last = undefined;
    return last;
  }

  async #watch(pid: number): Promise<void> {
    const sql = `SELECT ${HOLDER} FROM unnest(pg_blocking_pids($1)) AS b (pid) JOIN pg_stat_activity a USING (pid) ORDER BY since`;
    const { signal } = this.#stop;
    let reported: LockHolder | undefined;
    let reportedAt = 0;
    while (!signal.aborted) {
      const rows = await this.runner.query(sql, [pid]).catch(() => []); // informational only
      const holder = holderOf('table', rows[0]);
      this.#last = holder ?? this.#last;
      const isDue = Boolean(holder) !== Boolean(reported) || performance.now() - reportedAt > REPORT_EVERY_MS;
      if (holder?.pid !== reported?.pid && isDue && !signal.aborted) {
        reported = holder;
        reportedAt = performance.now();
        this.onChange(holder);
      }
      await sleep(this.everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#finished;
    await this.runner.release().catch(() => undefined);
  }
}

export function describeHolder({ pid, application, user, client, state, since }: LockHolder): string {
  const session = [application, user && `user ${user}`, client && `from ${client}`, state].filter(Boolean);
  return `pid ${pid}${session.length > 0 ? ` (${session.join(', ')})` : ''}${since ? `, since ${since}` : ''}`;
}

export interface HolderRow extends Omit<LockHolder, 'since' | 'lock'> {
  since: Date | null;
}

export function holderOf(lock: LockHolder['lock'], row: HolderRow | undefined): LockHolder | undefined {
  if (!row) return undefined;
  const { pid, application, user, client, state, since } = row;
  return { pid, application, user, client, state, lock, since: since?.toISOString() ?? null };
}
