/** Who is in the way: of the run itself (another runner), or of one of its statements. */
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { QueryRunner } from 'typeorm';
import type { LockHolder } from '../../../contract/image.js';

/** Any fixed number will do; advisory locks are per database. This one is "pcf" and "api" in ASCII. */
export const LOCK_KEY = [0x706366, 0x617069] as const;

/** With the machine, which in a cluster is the pod. PostgreSQL cuts names at 63 bytes, and pods differ at their ends. */
export const APPLICATION_NAME = `pcf-api migrate ${hostname().slice(-46)}`;

// Without the right to read all activity, another role's row is there, with nothing in it.
export const HOLDER = `a.pid, coalesce(a.application_name, '') AS application, a.usename AS "user",
  host(a.client_addr) AS client, a.state, coalesce(a.xact_start, a.backend_start) AS since`;

/** Who has the lock of migration runs, if anybody has. */
export async function runHolder(runner: QueryRunner): Promise<LockHolder | undefined> {
  const rows = await runner.query(
    `SELECT ${HOLDER} FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE l.locktype = 'advisory' AND l.granted AND (l.classid, l.objid, l.objsubid) = ($1, $2, 2)
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [...LOCK_KEY],
  );
  return holderOf('run', rows[0]);
}

/** At the front of a queue that moves there is somebody else at each look. */
const TELL_EVERY_MS = 2_000;

/**
 * Looks, from another connection, who keeps a session waiting, and tells when somebody begins
 * to, or nobody does any more. Remembers the last one it saw.
 */
export class BlockerWatch implements AsyncDisposable {
  #seen: LockHolder | undefined;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  constructor(
    private readonly runner: QueryRunner,
    pid: number,
    private readonly everyMs: number,
    private readonly onChange: (holder: LockHolder | undefined) => void = () => {},
  ) {
    this.#ended = this.#watch(pid);
  }

  /** The last one that was in the way, and forgets it. */
  take(): LockHolder | undefined {
    const seen = this.#seen;
    this.#seen = undefined;
    return seen;
  }

  async #watch(pid: number): Promise<void> {
    const sql = `SELECT ${HOLDER} FROM unnest(pg_blocking_pids($1)) AS b (pid) JOIN pg_stat_activity a USING (pid) ORDER BY since`;
    const { signal } = this.#stop;
    let told: LockHolder | undefined;
    let toldAt = 0;
    while (!signal.aborted) {
      const rows = await this.runner.query(sql, [pid]).catch(() => []); // it only explains, nothing depends on it
      const holder = holderOf('table', rows[0]);
      this.#seen = holder ?? this.#seen;
      const isNews = Boolean(holder) !== Boolean(told) || performance.now() - toldAt > TELL_EVERY_MS;
      if (holder?.pid !== told?.pid && isNews && !signal.aborted) {
        told = holder;
        toldAt = performance.now();
        this.onChange(holder);
      }
      await sleep(this.everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    await this.runner.release().catch(() => undefined);
  }
}

export function describeHolder({ pid, application, user, client, state, since }: LockHolder): string {
  const who = [application, user && `user ${user}`, client && `from ${client}`, state].filter(Boolean);
  return `pid ${pid}${who.length > 0 ? ` (${who.join(', ')})` : ''}${since ? `, since ${since}` : ''}`;
}

export interface HolderRow extends Omit<LockHolder, 'since' | 'lock'> {
  since: Date | null;
}

export function holderOf(lock: LockHolder['lock'], row: HolderRow | undefined): LockHolder | undefined {
  if (!row) return undefined;
  const { pid, application, user, client, state, since } = row;
  return { pid, application, user, client, state, lock, since: since?.toISOString() ?? null };
}
