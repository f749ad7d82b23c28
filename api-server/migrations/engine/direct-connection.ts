/**
 * Rejects a connection pooler in transaction mode: the advisory lock requires one session for the whole run.
 */
import type { DataSource, QueryRunner } from 'typeorm';
import { RefusedError } from './refused-error.js';

/** Other clients of the pooler can hide its mode from a single probe. */
const PROBES = 4;

/** Detects the pooler by its behavior: on direct connections two clients never share a server process. */
export async function refuseTransactionPooling(dataSource: DataSource, runner: QueryRunner): Promise<void> {
  const own = await serverProcess(runner);
  const other = dataSource.createQueryRunner();
  try {
    for (let probe = 0; probe < PROBES; probe += 1) {
      if (await isShared(own, runner, other)) {
        throw new RefusedError(
          'the database is reached through a pooler in transaction mode, so the advisory lock of the run has no effect; give migrations the address of PostgreSQL itself, or of a pool in session mode',
        );
      }
    }
  } finally {
    await other.release();
  }
}

/** A pooler assigns another server process while, or after, the other client uses one in a transaction. */
async function isShared(own: number, runner: QueryRunner, other: QueryRunner): Promise<boolean> {
  await other.startTransaction();
  try {
    // First, because the pooler may have a single server process, which the transaction holds.
    if ((await serverProcess(other)) === own) return true;
    if ((await serverProcess(runner)) !== own) return true;
  } finally {
    await other.rollbackTransaction().catch(() => undefined);
  }
  // Twice, because a pooler that alternates between two server processes may return the same one once.
  return (await serverProcess(runner)) !== own || (await serverProcess(runner)) !== own;
}

async function serverProcess(runner: QueryRunner): Promise<number> {
  const [row] = await runner.query('SELECT pg_backend_pid() AS pid');
  return row.pid;
}
