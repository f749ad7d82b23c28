/**
 * Interface between the operator and an API image. The only module that both operator/ and api-server/
 * import.
 */
import { z } from 'zod';

/** Ports of an API container. */
export const PORTS = { http: 8080, metrics: 9090 } as const;

/** HTTP paths; `metrics` is served on a separate port. */
export const PATHS = {
  /** Login, in the role auth. */
  auth: '/auth',
  graphql: '/graphql',
  /** Receiver for webhooks of Alertmanager, in the role serve. */
  alertmanager: '/webhooks/alertmanager',
  live: '/health',
  ready: '/health/ready',
  startup: '/health/startup',
  metrics: '/metrics',
} as const;

/** Environment variables that the operator sets in every API container. */
export const ENV = {
  environment: 'PCF_API__ENVIRONMENT',
  databaseUrl: 'PCF_API__DATABASE__URL',
  /** lock_timeout of migrations. */
  migrationsLockTimeout: 'PCF_API__MIGRATIONS__LOCK_TIMEOUT',
  /** Time during which contract can be reversed. */
  migrationsContractWindow: 'PCF_API__MIGRATIONS__CONTRACT_WINDOW',
  /** Maximum connections of this process. */
  databaseMaxConnections: 'PCF_API__DATABASE__MAX_CONNECTIONS',
  /** Trusted proxies, by number or address, whose X-Forwarded-For identifies the client. */
  trustedProxies: 'PCF_API__SERVER__TRUSTED_PROXIES',
  databaseReplicaUrl: 'PCF_API__DATABASE__REPLICA_URL',
  redisUrl: 'PCF_API__REDIS__URL',
  redisMode: 'PCF_API__REDIS__MODE',
  /** Signing key of tokens. */
  jwtSecret: 'PCF_API__AUTH__JWT_SECRET',
  jwtRotationOverlap: 'PCF_API__AUTH__ROTATION_OVERLAP',
  /** OTLP/HTTP endpoint for spans. */
  tracingEndpoint: 'PCF_API__TRACING__ENDPOINT',
  /** Certificate and key files. With them the API serves HTTPS. */
  tlsCertFile: 'PCF_API__SERVER__TLS__CERT_FILE',
  tlsKeyFile: 'PCF_API__SERVER__TLS__KEY_FILE',
  /** Time that the API continues to serve after readiness fails. */
  shutdownDelay: 'PCF_API__SHUTDOWN__DELAY',
  /** Mount path of the ConfigMap of the revision; its *.toml files are the third settings layer. */
  configDir: 'PCF_CONFIG_DIR',
  /** Revision of the pod, from its label; the API returns it in `x-pcf-revision`. */
  revision: 'PCF_REVISION',
  /**
   * Time in milliseconds for which a recorded use of the GraphQL schema counts. With it, `migrate up` of expand
   * compares the schema of the image with the one that is served. Without the prefix of settings, so that older images ignore it.
   */
  schemaCheckWindow: 'PCF_SCHEMA_CHECK_WINDOW',
  /** JSON array of clients and applications whose use does not count. */
  schemaCheckIgnore: 'PCF_SCHEMA_CHECK_IGNORE',
  /** Termination message path: a failing process writes its error to this file, which the kubelet reads. */
  terminationLog: 'PCF_TERMINATION_LOG',
} as const;

/** Environment variable of the image: every role listens on all addresses, at the same ports. */
export const CONTAINER_ENV = 'PCF_CONTAINER';

/** `<variable>_FILE` is the path of a file with the value; the API reloads it when it changes. */
export const FILE_SUFFIX = '_FILE';
export const SECRETS_DIR = '/etc/pcf/secrets';
export const TLS_DIR = '/etc/pcf/tls';

/** Environment variable of a setting: PCF_API__SECTION__KEY. */
export const ENV_PREFIX = 'PCF_API__';

export const CONFIG_DIR = '/etc/pcf/config';
export const CONFIG_FILE = 'config.toml';
export const TERMINATION_LOG = '/dev/termination-log';

/** Arguments after the entrypoint of the image that select a role. */
export const ROLES = {
  serve: ['serve'],
  worker: ['worker'],
  auth: ['auth'],
  /** Expand and backfill; contract only with `--phase contract`. */
  migrateUp: ['migrate', 'up', '--json'],
  migratePhase: (phase: MigrationPhase) => ['migrate', 'up', '--phase', phase, '--json'],
  /** All phases: an invalid contract is reported before the first statement of expand. */
  migratePlan: ['migrate', 'plan', '--phase', 'expand', 'backfill', 'contract', '--json'],
  /** Restores what these contract migrations have hidden, and everything that was hidden after it. */
  migrateRestore: (names: readonly string[]) => ['migrate', 'restore', ...names, '--json'],
  /** Drops what contract migrations have hidden and whose window has ended. */
  migratePurge: ['migrate', 'purge', '--json'],
  healthcheck: ['healthcheck'],
  describe: ['describe', '--json'],
  /** Connects to the database, Redis and the other endpoints of the settings. */
  connections: ['connections', '--json'],
} as const;

/** Program of the image, relative to its working directory, for `kubectl exec`: the image has no shell. */
export const PROGRAM = ['node', 'dist/api-server/main.js'] as const;

/**
 * Exit codes of the commands of the API, from sysexits.h. `tempFail`: retry later. `config`: rejected until
 * the input changes. `nothing` is used only with --detailed-exitcode: a Job must exit with 0 in that case.
 */
export const EXIT = { ok: 0, failure: 1, nothing: 3, usage: 64, tempFail: 75, config: 78 } as const;

/** Response headers that identify the server. */
export const HEADERS = {
  revision: 'x-pcf-revision',
  version: 'x-pcf-version',
  requestId: 'x-request-id',
  /** Replication position of a write. A request with this header reads that write from any process. */
  position: 'x-pcf-position',
} as const;

export const migrationPhaseSchema = z.enum(['expand', 'backfill', 'contract']);
export type MigrationPhase = z.infer<typeof migrationPhaseSchema>;

/** Output of `connections --json`. */
export const connectionReportSchema = z.object({
  connections: z.array(
    z.object({
      /** `database`, `database replica`, `redis`, `tracing`, `login keys`, `Grafana`. */
      name: z.string(),
      /** Host and port. Without credentials. */
      target: z.string(),
      ok: z.boolean(),
      durationMs: z.number(),
      /** Error message, without credentials. */
      error: z.string().optional(),
    }),
  ),
});
export type ConnectionReport = z.infer<typeof connectionReportSchema>;

/** A lint finding. */
export const migrationFindingSchema = z.object({
  migration: z.string(),
  rule: z.string(),
  statement: z.string(),
});
export type MigrationFinding = z.infer<typeof migrationFindingSchema>;

/** A database session that blocks a migration. */
export const lockHolderSchema = z.object({
  /** `run`: another runner holds the lock of migration runs; `table`: the session holds a lock on a table. */
  lock: z.enum(['run', 'table']),
  pid: z.number(),
  application: z.string(),
  user: z.string().nullable(),
  client: z.string().nullable(),
  state: z.string().nullable(),
  /** Start of its transaction, or of its connection without a transaction. */
  since: z.string().nullable(),
});
export type LockHolder = z.infer<typeof lockHolderSchema>;

/** Progress of a backfill. */
export const backfillProgressSchema = z.object({
  name: z.string(),
  rows: z.number(),
  /** Number of rows in the table, estimated by the planner. */
  total: z.number(),
  rowsPerSecond: z.number(),
  /** Null if it can't be estimated. */
  secondsLeft: z.number().nullable().optional(),
  /** Stopped with `migrate cancel`. */
  cancelled: z.boolean().optional(),
  /** Reason for waiting: `the replica standby-1 is 8 s behind`. */
  throttled: z.string().optional(),
  /** Warning: the lag of replicas can't be read. */
  warning: z.string().optional(),
});
export type BackfillProgress = z.infer<typeof backfillProgressSchema>;

/** A breaking change of the GraphQL schema that a recorded client uses. */
export const schemaUseSchema = z.object({
  /** Schema coordinate, such as `Service.owner`. */
  coordinate: z.string(),
  /** The change, as a sentence: `Service.owner was removed`. */
  change: z.string(),
  /** Clients by their last use, newest first. */
  clients: z.array(
    z.object({
      name: z.string(),
      application: z.string().optional(),
      lastUsedAt: z.string(),
    }),
  ),
  /** Number of further clients. */
  moreClients: z.number().optional(),
});
export type SchemaUse = z.infer<typeof schemaUseSchema>;

/** The check of a GraphQL schema against the served one and its recorded use. */
export const schemaCheckSchema = z.object({
  /** Breaking changes that clients use. */
  inUse: z.array(schemaUseSchema),
  /** Number of further such changes. */
  more: z.number().optional(),
});
export type SchemaCheck = z.infer<typeof schemaCheckSchema>;

/** The operator stores them in a status with these bounds. */
const payloadVersion = z.int().min(0).max(100_000);
const MAX_QUEUES = 100;

/** Payload versions of a type of job. */
export const payloadVersionsSchema = z.object({
  /** Version of the jobs that the image queues. */
  writes: payloadVersion,
  /** Oldest version that it can process. */
  readsFrom: payloadVersion,
  /** Newest version that it can process. */
  readsTo: payloadVersion,
});
export type PayloadVersions = z.infer<typeof payloadVersionsSchema>;

/** By queue. An image that reports none writes and reads version 1. */
export const jobPayloadsSchema = z
  .record(z.string(), payloadVersionsSchema)
  .refine((queues) => Object.keys(queues).length <= MAX_QUEUES, `at most ${MAX_QUEUES} queues`);
export type JobPayloads = z.infer<typeof jobPayloadsSchema>;

/** A contract migration whose drops are hidden, so that `migrate restore` can reverse it. */
export const hiddenMigrationSchema = z.object({
  migration: z.string(),
  /** End of the window. */
  until: z.string(),
  /** Descriptions of what is hidden: `column public.services.owner`. Removed if the report is too long. */
  objects: z.array(z.string()).optional(),
  /** Number of written values that a hidden column could not store. After a restore they are NULL. */
  lost: z.number().optional(),
});
export type HiddenMigration = z.infer<typeof hiddenMigrationSchema>;

/** A contract migration that drops permanently, although a window is set. */
export const irreversibleMigrationSchema = z.object({ migration: z.string(), reason: z.string() });
export type IrreversibleMigration = z.infer<typeof irreversibleMigrationSchema>;

/**
 * Output of `migrate --json`, and the termination message (at most 4,096 bytes, the limit of the kubelet).
 * Durations are in milliseconds.
 */
export const migrationReportSchema = z.object({
  /** `running` is in the termination message of a killed runner; its `error` has the progress. */
  outcome: z.enum(['done', 'nothing', 'failed', 'refused', 'running']),
  /** Newest applied migration, or null in an empty database. */
  current: z.string().nullable(),
  applied: z.array(z.string()),
  pending: z.array(z.string()),
  /** Migrations of `pending` with phase backfill and contract. Images without phases omit them. */
  backfills: z.array(z.string()).optional(),
  contracts: z.array(z.string()).optional(),
  durationMs: z.number().nonnegative(),
  /** Last line of the error message. Never contains a credential. */
  error: z.string().optional(),
  /** Requested phases. */
  phases: z.array(migrationPhaseSchema).optional(),
  /** Whether a retry of the same run can succeed. */
  retry: z.boolean().optional(),
  /** Applied migrations that are unknown to this image: the database is ahead of it. */
  ahead: z.array(z.string()).optional(),
  /** Lint findings: violations, or statements that can't be checked before they run. */
  findings: z.array(migrationFindingSchema).optional(),
  /** The running or failed migration. */
  running: z.string().optional(),
  /** The blocking session: it ended the run, or, with `status`, it runs migrations now. */
  lockHolder: lockHolderSchema.optional(),
  /** Newest backfill as recorded in the database, even if an earlier run finished it. */
  backfill: backfillProgressSchema.optional(),
  /** With the phase expand and {@link ENV.schemaCheckWindow}. */
  schemaCheck: schemaCheckSchema.optional(),
  /** With the phase expand: payload versions of the jobs of the image. Invalid ones count as not reported. */
  jobs: jobPayloadsSchema.optional().catch(undefined),
  /** What is hidden after the run. */
  hidden: z.array(hiddenMigrationSchema).optional(),
  irreversible: z.array(irreversibleMigrationSchema).optional(),
  /** Migrations that `migrate restore` has restored. They are pending again. */
  restored: z.array(z.string()).optional(),
  /** Migrations that `migrate purge` has purged. */
  purged: z.array(z.string()).optional(),
  /**
   * The report was truncated, and names in `ahead`, `contracts`, `backfills` or `hidden` are missing. `applied`,
   * `pending` and `findings` can be truncated without this flag, because no decision depends on them.
   */
  truncated: z.boolean().optional(),
});
export type MigrationReport = z.infer<typeof migrationReportSchema>;

/**
 * A line that `migrate up --json` writes to stderr after a change, at most every two seconds. The operator
 * reads it from the log of the pod.
 */
export const progressLineSchema = z.object({ migration: migrationReportSchema });
export type ProgressLine = z.infer<typeof progressLineSchema>;

/** Output of `describe --json`. */
export const imageDescriptionSchema = z.object({
  version: z.string(),
  migrations: z.array(
    z.object({
      name: z.string(),
      phase: migrationPhaseSchema,
      checksum: z.string().optional(),
      /** Oldest and newest version of the API that supports it. */
      requires: z.string().optional(),
      until: z.string().optional(),
      /** Of a contract migration: whether its SQL can be reversed during a window, and otherwise the reason. */
      reversible: z.boolean().optional(),
      irreversible: z.string().optional(),
    }),
  ),
  /** Newest expand migration that this image requires; a database without it is too old. */
  minimumSchema: z.string().nullable().optional(),
  /** Newest migration of this image; a database with later ones is ahead of it. */
  newestSchema: z.string().nullable().optional(),
  /** JSON Schema of the settings, for editors and for the validation of `spec.config`. */
  configSchema: z.record(z.string(), z.unknown()),
  /** The GraphQL schema, in SDL. */
  graphqlSchema: z.string().optional(),
  /** Payload versions of its background jobs. */
  jobs: jobPayloadsSchema.optional(),
});
export type ImageDescription = z.infer<typeof imageDescriptionSchema>;
