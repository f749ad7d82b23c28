/** Runs periodic jobs without a worker, and each of their statements in one process at a time. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Access } from '../database/access.js';
import type { DataSource } from '../database/pool/data-source.js';
import type { Logger } from '../observability/logging/logger.js';
import type { JobDefinition } from './job.js';

/** First key of the advisory locks: "pcf" in ASCII. The second key is a hash of the name of the job. */
const LOCK_CLASS = 0x70_63_66;
/** Default of `firstRunMs`. */
const FIRST_RUN_MS = 600_000;
/** Maximum delay of a timer. Node.js runs a longer one at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * Runs a statement in a transaction that holds the advisory lock of the job. Undefined when another
 * process holds it: that process does the work. The lock belongs to the transaction and not to the
 * session, so that it also works through a pooler in transaction mode.
 */
export function queryWithLock<Row>(
  dataSource: DataSource,
  job: string,
  access: Access,
  sql: string,
  parameters: unknown[],
): Promise<Row[] | undefined> {
  return dataSource.withManager(access, (manager) =>
    manager.transaction(async (transaction) => {
      const lock = `SELECT pg_try_advisory_xact_lock(${LOCK_CLASS}, hashtext($1)) AS held`;
      const [row] = await transaction.query<{ held: boolean }[]>(lock, [job]);
      return row?.held ? transaction.query<Row[]>(sql, parameters as never) : undefined;
    }),
  );
}

export interface HousekeepingParts {
  /** Jobs without data. */
  jobs: JobDefinition[];
  everyMs: number;
  /** Maximum delay of the first run. It is random, so that not all processes run at the same time. */
  firstRunMs?: number;
  isReady(): boolean;
  log: Logger;
}

/** Runs the jobs one after the other, at the interval. A failed job runs again after the next interval. */
export class Housekeeping {
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;

  constructor(private readonly parts: HousekeepingParts) {
    this.#ended = this.#run().catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) throw error;
    });
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { jobs, everyMs, firstRunMs = FIRST_RUN_MS, isReady } = this.parts;
    const { signal } = this.#stopping;
    await sleep(Math.random() * Math.min(everyMs, firstRunMs), undefined, { signal, ref: false });
    for (;;) {
      for (const job of jobs) if (isReady()) await this.#runJob(job);
      await sleep(Math.min(everyMs, MAX_DELAY_MS), undefined, { signal, ref: false });
    }
  }

  async #runJob({ name, handle }: JobDefinition): Promise<void> {
    const { signal } = this.#stopping;
    const log = this.parts.log.child({ job: name });
    await handle({}, { signal, attempt: 1, isLast: true, log }).catch((error: unknown) => {
      if (!signal.aborted) log.warn({ err: error }, 'housekeeping job failed, will retry');
    });
  }
}
