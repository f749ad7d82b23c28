/** Settings of PostgreSQL, its migrations, and Redis. */
import { z } from 'zod';
import { duration, postgresUrl } from '../setting-types.js';

/** One or several hosts: redis://user:password@host1:6379,host2:6379/0. */
const REDIS_URL = /^rediss?:\/\/(?:[^@/\s]*@)?[^@/\s]+(?:\/\d*)?$/;

export const database = z
  .strictObject({
    url: postgresUrl.describe('Connection URL of PostgreSQL. Secret.'),
    url_file: z.string().optional().describe('File with the value of `url`; reloaded when it changes.'),
    replica_url: postgresUrl
      .optional()
      .describe('Connection URL of a streaming replica, which serves reads. Secret.'),
    replica_url_file: z
      .string()
      .optional()
      .describe('File with the value of `replica_url`; reloaded when it changes.'),
    max_connections: z
      .int()
      .min(2)
      .max(10_000)
      .describe(
        'Maximum number of connections to each server, for all processes of a pod. They are divided among the processes; each uses one of its own to monitor the server.',
      ),
    replica_max_lag: duration.describe(
      'Maximum replication lag. A replica with more lag serves no reads until it catches up.',
    ),
    replica_probe_interval: duration.describe('Interval at which the replication lag is measured.'),
    prepared_statements: z
      .boolean()
      .describe(
        'Use prepared statements for frequent statements. Disable it behind a pooler that does not support them.',
      ),
    slow_query: duration.describe('Statements that take longer are logged. 0ms disables the log.'),
    connect_timeout: duration.describe('Timeout for opening a connection, and for waiting for a free one.'),
    statement_timeout: duration.describe('Timeout of one SQL statement.'),
    probe_interval: duration.describe('Interval of the availability probe of the database.'),
    retry_initial: duration.describe('Initial delay before a reconnect; it doubles with each attempt.'),
    retry_max: duration.describe('Maximum delay before a reconnect.'),
  })
  .describe('PostgreSQL.');

export const redis = z
  .strictObject({
    url: z
      .string()
      .regex(REDIS_URL, {
        error: 'expected a URL such as redis://host:6379 or redis://host1:6379,host2:6379',
      })
      .meta({ writeOnly: true })
      .optional()
      .describe(
        'Connection URL of Redis, with several hosts for Sentinel and Cluster. Secret. Without it, the API runs without Redis.',
      ),
    url_file: z.string().optional().describe('File with the value of `url`; reloaded when it changes.'),
    mode: z
      .enum(['standalone', 'sentinel', 'cluster'])
      .describe(
        'standalone: one server. sentinel: the hosts of `url` are Sentinels. cluster: Redis Cluster.',
      ),
    sentinel_master: z.string().min(1).describe('Name of the master at the Sentinels.'),
    sentinel_password: z
      .string()
      .meta({ writeOnly: true })
      .optional()
      .describe('Password of the Sentinels. Secret.'),
    ca_file: z
      .string()
      .optional()
      .describe('File with the CA certificate of the servers (rediss://), in PEM format.'),
  })
  .describe('Redis. The API continues to serve while Redis is unavailable.');

export const migrations = z
  .strictObject({
    connect_wait: duration.describe('Time for which `migrate` waits while the database is unavailable.'),
    runner_wait: duration.describe('Time for which `migrate` waits for another migration run to finish.'),
    lock_timeout: duration.describe(
      'PostgreSQL `lock_timeout` of a migration statement. The migration is then rolled back and retried.',
    ),
    lock_attempts: z
      .int()
      .min(1)
      .max(1_000)
      .describe('Maximum number of attempts when a migration runs into `lock_timeout`.'),
    contract_window: duration.describe(
      'Time during which `migrate restore` can reverse a contract migration: what it drops is hidden, and `migrate purge` drops it after this time. 0s: contract drops immediately.',
    ),
    cancel_blockers_after: duration.describe(
      'Transactions that are older than this and hold a lock that a migration conflicts with are cancelled. 0ms: never. Requires membership in their role or `pg_signal_backend`, and `pg_read_all_stats`.',
    ),
  })
  .describe('`migrate` role.');
