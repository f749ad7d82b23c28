/**
 * The image contract: what the operator and an API image must agree on.
 * The only module that both operator/ and api-server/ import.
 */
import { z } from 'zod';

/** Ports an API container listens on. */
export const PORTS = { http: 8080, metrics: 9090 } as const;

/** Paths of the HTTP server; `metrics` is served on its own port. */
export const PATHS = {
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
  /** Connections that this process may open. */
  databaseMaxConnections: 'PCF_API__DATABASE__MAX_CONNECTIONS',
  databaseReplicaUrl: 'PCF_API__DATABASE__REPLICA_URL',
  redisUrl: 'PCF_API__REDIS__URL',
  redisMode: 'PCF_API__REDIS__MODE',
  /** Signs and verifies tokens. */
  jwtSecret: 'PCF_API__AUTH__JWT_SECRET',
  jwtRotationOverlap: 'PCF_API__AUTH__ROTATION_OVERLAP',
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
  migratePlan: ['migrate', 'plan', '--json'],
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

/**
 * What `migrate` prints with --json and leaves in the termination message
 * (4,096 bytes at most, the kubelet's limit). Durations are in milliseconds.
 */
export const migrationReportSchema = z.object({
  outcome: z.enum(['done', 'nothing', 'failed', 'refused']),
  /** The newest migration the database has, or null on an empty database. */
  current: z.string().nullable(),
  applied: z.array(z.string()),
  pending: z.array(z.string()),
  durationMs: z.number().nonnegative(),
  /** The last line of what went wrong, fit to be shown: never holds a credential. */
  error: z.string().optional(),
  /** The phases that were asked for. */
  phases: z.array(migrationPhaseSchema).optional(),
  /** Whether the same run may well succeed later. */
  retry: z.boolean().optional(),
  /** Applied migrations that this image does not know: the database is ahead of it. */
  ahead: z.array(z.string()).optional(),
  /** Why lint refused. */
  findings: z.array(migrationFindingSchema).optional(),
  /** How far the newest backfill came; `total` is the planner's estimate. */
  backfill: z
    .object({ name: z.string(), rows: z.number(), total: z.number(), rowsPerSecond: z.number() })
    .optional(),
});
export type MigrationReport = z.infer<typeof migrationReportSchema>;

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
  /** JSON Schema of the settings, for editors and for checking `spec.config`. */
  configSchema: z.record(z.string(), z.unknown()),
});
export type ImageDescription = z.infer<typeof imageDescriptionSchema>;
