/** A session lock needs a session: refuses a proxy that gives each transaction another one. */
import type { DataSource, QueryRunner } from 'typeorm';
import { RefusedError } from './refused-error.js';

/** Others who use the same pool may make it look steady for once. */
const PROBES = 4;

/** Found by what it does, not by name: on direct connections two clients never share a server process. */
export async function refuseTransactionPooling(dataSource: DataSource, runner: QueryRunner): Promise<void> {
  const own = await serverProcess(runner);
  const other = dataSource.createQueryRunner();
  try {
    for (let probe = 0; probe < PROBES; probe += 1) {
      if (await isShared(own, runner, other)) {
        throw new RefusedError(
          'the database is reached through a pooler that switches connections between transactions, so a migration lock would protect nothing; give migrations the address of PostgreSQL itself, or of a pool in session mode',
        );
      }
    }
  } finally {
    await other.release();
  }
}

/** While the other client holds a server process, and after it gave it back, a pool has reason to give us a different one. */
async function isShared(own: number, runner: QueryRunner, other: QueryRunner): Promise<boolean> {
  await other.startTransaction();
  try {
    // Asked first: where it holds our only one, we would wait for it.
    if ((await serverProcess(other)) === own) return true;
    if ((await serverProcess(runner)) !== own) return true;
  } finally {
    await other.rollbackTransaction().catch(() => undefined);
  }
  // Twice: of two that are taken in turn, the first may be ours again.
  return (await serverProcess(runner)) !== own || (await serverProcess(runner)) !== own;
}

async function serverProcess(runner: QueryRunner): Promise<number> {
  const [row] = await runner.query('SELECT pg_backend_pid() AS pid');
  return row.pid;
}
