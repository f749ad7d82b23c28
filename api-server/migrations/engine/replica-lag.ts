/** How far the replicas are behind, as the primary sees it. */
import type { QueryRunner } from 'typeorm';

const MAX_LAG_MS = 5_000;

export const UNREADABLE =
  'this role may not read how far the replicas are behind, so the backfill does not wait for them; GRANT pg_read_all_stats to it';

export interface ReplicaLag {
  /** Of the one that is the furthest behind. */
  ms: number;
  replica: string;
  /** There are replicas, and PostgreSQL does not tell this role more than that. */
  isUnreadable: boolean;
}

/**
 * Without the right to read all statistics a replica's row is there, with NULL in all that is said
 * of it; the state of one that may be read is never NULL. Its lag is NULL when it has caught up.
 */
export async function readReplicaLag(runner: QueryRunner): Promise<ReplicaLag> {
  const [row] = await runner.query(
    `SELECT coalesce(extract(epoch FROM replay_lag) * 1000, 0)::float8 AS ms,
            'the replica ' || coalesce(nullif(application_name, ''), host(client_addr), 'pid ' || pid) AS replica,
            state IS NULL AS "isUnreadable"
     FROM pg_stat_replication ORDER BY state IS NULL DESC, replay_lag DESC NULLS LAST LIMIT 1`,
  );
  return row ?? { ms: 0, replica: '', isUnreadable: false };
}

export function isBehind({ ms }: ReplicaLag): boolean {
  return ms > MAX_LAG_MS;
}
