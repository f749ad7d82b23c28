/** A session lock needs a session: refuses a proxy that gives each transaction another one. */
import type { DataSource, QueryRunner } from 'typeorm';
import { RefusedError } from './refused-error.js';

/** Found by what it does, not by name: on direct connections two clients never share a server process. */
export async function refuseTransactionPooling(dataSource: DataSource, runner: QueryRunner): Promise<void> {
  const before = await serverProcess(runner);
  const other = dataSource.createQueryRunner();
  try {
    await other.startTransaction();
    const others = await serverProcess(other);
    // While the other client holds a server process, a pool must give us a different one.
    const moved = others !== before && (await serverProcess(runner)) !== before;
    if (others !== before && !moved) return;
  } finally {
    await other.rollbackTransaction().catch(() => undefined);
    await other.release();
  }
  throw new RefusedError(
    'the database is reached through a pooler that switches connections between transactions, so a migration lock would protect nothing; give migrations the address of PostgreSQL itself, or of a pool in session mode',
  );
}

async function serverProcess(runner: QueryRunner): Promise<number> {
  const [row] = await runner.query('SELECT pg_backend_pid() AS pid');
  return row.pid;
}
