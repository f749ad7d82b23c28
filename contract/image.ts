/**
 * The image contract: what the operator and an API image must agree on.
 * The only module that both operator/ and api-server/ import.
 */
import { z } from 'zod';

/** Ports an API container listens on. */
export const PORTS = { http: 8080, metrics: 9090 } as const;

/** Paths of the HTTP server; `metrics` is served on its own port. */
export const PATHS = {
  /** Logins, in the role auth. */
  auth: '/auth',
  graphql: '/graphql',
  live: '/health',
  ready: '/health/ready',
  startup: '/health/startup',
  metrics: '/metrics',
} as const;

/** Environment variables the operator sets on every API container. */
export const ENV = {
  environment: 'PCF_API__ENVIRONMENT',
  databaseUrl: 'PCF_API__DATABASE__URL',
  /** How long a migration's statement waits for a table's lock. */
  migrationsLockTimeout: 'PCF_API__MIGRATIONS__LOCK_TIMEOUT',
  /** Connections that this process may open. */
  databaseMaxConnections: 'PCF_API__DATABASE__MAX_CONNECTIONS',
  /** How many proxies are before it, or their addresses: they tell who the client is. */
  trustedProxies: 'PCF_API__SERVER__TRUSTED_PROXIES',
  databaseReplicaUrl: 'PCF_API__DATABASE__REPLICA_URL',
  redisUrl: 'PCF_API__REDIS__URL',
  redisMode: 'PCF_API__REDIS__MODE',
  /** Signs and verifies tokens. */
  jwtSecret: 'PCF_API__AUTH__JWT_SECRET',
  jwtRotationOverlap: 'PCF_API__AUTH__ROTATION_OVERLAP',
  /** Where spans go, by OTLP over HTTP. */
  tracingEndpoint: 'PCF_API__TRACING__ENDPOINT',
  /** Files of the certificate and its key: with them the API serves HTTPS. */
  tlsCertFile: 'PCF_API__SERVER__TLS__CERT_FILE',
  tlsKeyFile: 'PCF_API__SERVER__TLS__KEY_FILE',
  /** How long the API continues to serve after its readiness is off. */
  shutdownDelay: 'PCF_API__SHUTDOWN__DELAY',
  /** The folder the revision's ConfigMap is mounted at; its *.toml files are the third settings layer. */
  configDir: 'PCF_CONFIG_DIR',
  /** The revision the pod belongs to, from its label; the API returns it in `x-pcf-revision`. */
  revision: 'PCF_REVISION',
  /** Where a failing process leaves its last words (a file, read by the kubelet). */
  terminationLog: 'PCF_TERMINATION_LOG',
} as const;

/** `<variable>_FILE` names a file that holds the value; the API reads it again when it changes. */
export const FILE_SUFFIX = '_FILE';
export const SECRETS_DIR = '/etc/pcf/secrets';
export const TLS_DIR = '/etc/pcf/tls';

/** Every setting may be given as PCF_API__SECTION__KEY. */
export const ENV_PREFIX = 'PCF_API__';

export const CONFIG_DIR = '/etc/pcf/config';
export const CONFIG_FILE = 'config.toml';
export const TERMINATION_LOG = '/dev/termination-log';

/** Arguments after the image's entrypoint that select a role. */
export const ROLES = {
  serve: ['serve'],
  worker: ['worker'],
  auth: ['auth'],
  /** Expand, then backfill; contract only when `--phase contract` is added. */
  migrateUp: ['migrate', 'up', '--json'],
  migratePhase: (phase: MigrationPhase) => ['migrate', 'up', '--phase', phase, '--json'],
  /** Of all phases: what is wrong with a contract is told before the first statement of expand. */
  migratePlan: ['migrate', 'plan', '--phase', 'expand', 'backfill', 'contract', '--json'],
  healthcheck: ['healthcheck'],
  describe: ['describe', '--json'],
} as const;

/**
 * Exit codes of the API's commands, from sysexits.h: what a caller may do next.
 * `tempFail` is worth another try; `config` (refused) is not until the input changes.
 * `nothing` is said only with --detailed-exitcode: a Job must end with 0 then, too.
 */
export const EXIT = { ok: 0, failure: 1, nothing: 3, usage: 64, tempFail: 75, config: 78 } as const;

/** Response headers that tell who answered. */
export const HEADERS = {
  revision: 'x-pcf-revision',
  version: 'x-pcf-version',
  requestId: 'x-request-id',
  /** How far a write got; sent back with the next request, that one sees the write, whoever answers. */
  position: 'x-pcf-position',
} as const;

export const migrationPhaseSchema = z.enum(['expand', 'backfill', 'contract']);
export type MigrationPhase = z.infer<typeof migrationPhaseSchema>;

/** What lint has against a statement. */
export const migrationFindingSchema = z.object({
  migration: z.string(),
  rule: z.string(),
  statement: z.string(),
});
export type MigrationFinding = z.infer<typeof migrationFindingSchema>;

/** A session of the database that keeps a migration waiting. */
export const lockHolderSchema = z.object({
  /** `run`: another runner has the lock of migration runs; `table`: it has a table that a statement needs. */
  lock: z.enum(['run', 'table']),
  pid: z.number(),
  application: z.string(),
  user: z.string().nullable(),
  client: z.string().nullable(),
  state: z.string().nullable(),
  /** Since when its transaction, or else its connection, is open. */
  since: z.string().nullable(),
});
export type LockHolder = z.infer<typeof lockHolderSchema>;

/** How far a backfill came. */
export const backfillProgressSchema = z.object({
  name: z.string(),
  rows: z.number(),
  /** The planner's estimate of the table's rows. */
  total: z.number(),
  rowsPerSecond: z.number(),
  /** Null as long as nothing can be said. */
  secondsLeft: z.number().nullable().optional(),
  /** Somebody stopped it with `migrate cancel`. */
  cancelled: z.boolean().optional(),
  /** Why it waits, while it does: `the replica standby-1 is 8 s behind`. */
  throttled: z.string().optional(),
  /** What a person should know of it: the lag of the replicas can't be read. */
  warning: z.string().optional(),
});
export type BackfillProgress = z.infer<typeof backfillProgressSchema>;

/**
 * What `migrate` prints with --json and leaves in the termination message
 * (4,096 bytes at most, the kubelet's limit). Durations are in milliseconds.
 */
export const migrationReportSchema = z.object({
  /** `running` is what a runner that was killed leaves in its termination message; its `error` says how far it was. */
  outcome: z.enum(['done', 'nothing', 'failed', 'refused', 'running']),
  /** The newest migration the database has, or null on an empty database. */
  current: z.string().nullable(),
  applied: z.array(z.string()),
  pending: z.array(z.string()),
  /** Those of `pending` whose phase is backfill, and contract; left out by images that know no phases. */
  backfills: z.array(z.string()).optional(),
  contracts: z.array(z.string()).optional(),
  durationMs: z.number().nonnegative(),
  /** The last line of what went wrong, fit to be shown: never holds a credential. */
  error: z.string().optional(),
  /** The phases that were asked for. */
  phases: z.array(migrationPhaseSchema).optional(),
  /** Whether the same run may well succeed later. */
  retry: z.boolean().optional(),
  /** Applied migrations that this image does not know: the database is ahead of it. */
  ahead: z.array(z.string()).optional(),
  /** What lint says: why it refused, or what it can't tell before it runs. */
  findings: z.array(migrationFindingSchema).optional(),
  /** The migration that runs, or that failed. */
  running: z.string().optional(),
  /** Who is in the way: what ended the run, or, of `status`, who migrates now. */
  lockHolder: lockHolderSchema.optional(),
  /** The newest backfill, as the database has recorded it: also one that an earlier run finished. */
  backfill: backfillProgressSchema.optional(),
  /**
   * It did not fit, and names are missing from `ahead`, `contracts` or `backfills`. Of `applied`,
   * `pending` and `findings`, which nothing is decided by, names may be missing without it.
   */
  truncated: z.boolean().optional(),
});
export type MigrationReport = z.infer<typeof migrationReportSchema>;

/**
 * A line that `migrate up --json` writes to stderr whenever there is news while it runs, at
 * most every two seconds: the operator reads it from the pod's log.
 */
export const progressLineSchema = z.object({ migration: migrationReportSchema });
export type ProgressLine = z.infer<typeof progressLineSchema>;

/** What `describe --json` prints. */
export const imageDescriptionSchema = z.object({
  version: z.string(),
  migrations: z.array(
    z.object({
      name: z.string(),
      phase: migrationPhaseSchema,
      checksum: z.string().optional(),
      /** The oldest, and the newest, version of the API that can live with it. */
      requires: z.string().optional(),
      until: z.string().optional(),
    }),
  ),
  /** The newest expand migration this image needs to serve; a database without it is too old. */
  minimumSchema: z.string().nullable().optional(),
  /** The newest migration this image knows; a database with others is ahead of it. */
  newestSchema: z.string().nullable().optional(),
  /** JSON Schema of the settings, for editors and for checking `spec.config`. */
  configSchema: z.record(z.string(), z.unknown()),
});
export type ImageDescription = z.infer<typeof imageDescriptionSchema>;
