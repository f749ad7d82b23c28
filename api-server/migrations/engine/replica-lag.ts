/** Replication lag, as reported by `pg_stat_replication` on the primary. */
import type { QueryRunner } from 'typeorm';

const MAX_LAG_MS = 5_000;

export const UNREADABLE =
  'the role has no privilege to read the lag of the replicas, so the backfill does not wait for them; GRANT pg_read_all_stats to the role';

export interface ReplicaLag {
  /** Lag in milliseconds of the replica with the largest lag. */
  ms: number;
  replica: string;
  /** True if replicas exist, but the role has no privilege to read their lag. */
  isUnreadable: boolean;
}

/**
 * Without `pg_read_all_stats`, the row of a replica has NULL in all statistics, including `state`, which is
 * never NULL otherwise. `replay_lag` is NULL for a replica that has caught up.
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
