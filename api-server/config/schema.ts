/** Every setting of the API: type, bounds and description. The defaults are in configs/base.toml. */
import { z } from 'zod';
import { secretProblem } from './signing-secret.js';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** "500ms", "30s", "5m" or "1h" in files and variables; milliseconds in `Settings`. */
const duration = z
  .string()
  .regex(/^\d{1,9}(ms|s|m|h)$/, { error: 'expected a duration such as "500ms", "30s" or "5m"' })
  .transform((text) => Number.parseInt(text, 10) * UNIT_MS[text.replace(/\d+/, '') as keyof typeof UNIT_MS]);

const port = z.int().min(0).max(65_535);

/** `writeOnly` marks a secret: its value is never printed. */
const secretUrl = (protocols: string[], example: string) =>
  z
    .string()
    .refine((text) => protocols.includes(protocolOf(text)), { error: `expected a URL such as ${example}` })
    .meta({ writeOnly: true });

/** One or several hosts: redis://user:password@host1:6379,host2:6379/0. */
const REDIS_URL = /^rediss?:\/\/(?:[^@/\s]*@)?[^@/\s]+(?:\/\d*)?$/;

const postgresUrl = secretUrl(['postgres:', 'postgresql:'], 'postgresql://host:5432/name');

export const environmentSchema = z.enum(['development', 'staging', 'production']);
export type Environment = z.infer<typeof environmentSchema>;

/** The settings of files and variables. `environment` is set only by its variable. */
export const fileSettingsSchema = z.strictObject({
  server: z
    .strictObject({
      host: z
        .string()
        .min(1)
        .describe(
          'Listen address of the API and of the metrics. 127.0.0.1 in development, except in the image.',
        ),
      port: port.describe('Port of GraphQL and the health checks; 0 selects a free port.'),
      allowed_hosts: z
        .array(
          z.string().regex(/^[a-z0-9][a-z0-9.-]*$/, {
            error: 'expected a host name such as pcf.test, in lower case and without a port',
          }),
        )
        .describe(
          'Host names that the Host header may contain while `auth.open` is true, besides localhost and IP addresses; comma-separated in a variable. Other names are rejected with 421, because a web page can make them resolve to this host (DNS rebinding). Pods of the operator accept all names.',
        ),
      body_limit: z.int().min(1_024).max(67_108_864).describe('Maximum size of a request body, in bytes.'),
      trusted_proxies: z
        .string()
        .regex(/^(\d{1,2}|(([\da-fA-F.:]+(\/\d+)?|loopback|linklocal|uniquelocal)(, *|$))+)$/, {
          error: 'expected a number, or addresses such as 10.0.0.0/8',
        })
        .optional()
        .describe(
          'Proxies whose X-Forwarded-For is trusted: the number of proxies with private addresses in front of the API, such as "1", or a comma-separated list of addresses and networks, such as 10.0.0.0/8. Without it, the client address is the peer address of the connection.',
        ),
      workers: z
        .int()
        .min(0)
        .max(256)
        .describe(
          'Number of processes that serve requests; 0 starts one per core of the CPU limit. Fewer run when `database.max_connections` allows less than 2 connections for each.',
        ),
      http2: z.boolean().describe('Enable HTTP/2 in addition to HTTP/1.1. Requires TLS.'),
      max_connections: z
        .int()
        .min(1)
        .max(1_000_000)
        .describe('Maximum number of open client connections per process. Further connections are closed.'),
      max_in_flight: z
        .int()
        .min(1)
        .max(1_000_000)
        .describe(
          'Maximum number of concurrent requests per process. Further requests get 503 with Retry-After.',
        ),
      max_event_loop_delay: duration.describe(
        'Maximum event loop delay. While it is exceeded, new requests get 503. 0ms disables the limit.',
      ),
      headers_timeout: duration.describe('Timeout for receiving the headers of a request.'),
      receive_timeout: duration.describe('Timeout for receiving a complete request.'),
      keep_alive_timeout: duration.describe(
        'Idle timeout of keep-alive connections. It must be longer than the idle timeout of the load balancer.',
      ),
      stall_timeout: duration.describe('Idle timeout of a connection during a request.'),
      cors_origins: z
        .array(
          z
            .string()
            .regex(/^https?:\/\/[^/*\s]+$/, { error: 'expected an origin such as https://app.example.com' }),
        )
        .describe('Origins that CORS allows; comma-separated in a variable.'),
      tls: z
        .strictObject({
          cert_file: z
            .string()
            .optional()
            .describe('File with the certificate chain in PEM format; reloaded when it changes.'),
          key_file: z
            .string()
            .optional()
            .describe('File with the private key in PEM format; reloaded when it changes.'),
        })
        .refine(({ cert_file, key_file }) => (cert_file === undefined) === (key_file === undefined), {
          error: 'expected both cert_file and key_file, or neither',
        })
        .describe('TLS. Without certificate files, the API serves plain HTTP.'),
    })
    .describe('HTTP server.'),
  auth: z
    .strictObject({
      open: z
        .boolean()
        .describe('Accept requests without credentials, with the role ADMIN. Only for development.'),
      jwt_secret: z
        .string()
        .refine((text) => secretProblem(text) === undefined, {
          error: (issue) => `${secretProblem(String(issue.input))}`,
        })
        .meta({ writeOnly: true })
        .optional()
        .describe(
          'Key that signs and verifies HS256 tokens: at least 32 random bytes. Further lines contain previous or next keys, ' +
            'which only verify tokens. Secret.',
        ),
      jwt_secret_file: z
        .string()
        .optional()
        .describe('File with the value of `jwt_secret`; reloaded when it changes.'),
      rotation_overlap: duration.describe(
        'Time for which a key that was replaced in the file still verifies tokens.',
      ),
      issuer: z.string().min(1).describe('Issuer of the tokens: the claim `iss`.'),
      audience: z.string().min(1).describe('Audience of the tokens: the claim `aud`.'),
      clock_skew: duration.describe('Allowed clock skew for the validation of tokens.'),
      jwks_url: z
        .url({ protocol: /^https?$/ })
        .optional()
        .describe(
          "URL of the identity provider's JWKS, for RS256 and ES256 tokens. Without it, such tokens are rejected.",
        ),
      jwks_issuer: z
        .string()
        .min(1)
        .optional()
        .describe("Issuer of the identity provider's tokens: the claim `iss`."),
      jwks_role_claim: z
        .string()
        .min(1)
        .describe(
          "Claim of the identity provider's tokens that contains the role, or a list of roles. The highest role applies.",
        ),
      identity_cache: duration.describe('TTL of the identity cache. A revoked key can work this long.'),
      access_token_ttl: duration.describe('Lifetime of the access tokens that the `auth` role issues.'),
      refresh_token_ttl: duration.describe(
        'Lifetime of a refresh token. A login ends when it is not refreshed for this time.',
      ),
      login_attempts: z
        .int()
        .min(1)
        .max(1_000)
        .describe('Failed logins per account and address in `login_window`. Further attempts are throttled.'),
      login_window: duration.describe(
        'Window in which failed logins are counted. A throttled account has to wait until its end.',
      ),
    })
    .refine(({ jwks_url, jwks_issuer }) => (jwks_url === undefined) === (jwks_issuer === undefined), {
      error: 'expected both jwks_url and jwks_issuer, or neither',
    })
    .describe('Authentication.'),
  rate_limit: z
    .strictObject({
      requests: z
        .int()
        .min(0)
        .max(10_000_000)
        .describe('Requests per identity and window. Further requests get 429. 0 disables the limit.'),
      window: duration.describe('Length of the window, in whole seconds.'),
      failures: z
        .int()
        .min(0)
        .max(1_000_000)
        .describe(
          'Requests with invalid credentials per IP address and window. Further such requests get 429. 0 disables the limit.',
        ),
    })
    .refine(({ window }) => window >= 1_000, { error: 'expected a window of at least 1s', path: ['window'] })
    .describe('Rate limits. They are counted in Redis for all processes; without Redis, per process.'),
  graphql: z
    .strictObject({
      playground_enabled: z.boolean().describe('Serve GraphiQL to browsers at /graphql.'),
      introspection_enabled: z.boolean().describe('Allow introspection queries.'),
      max_tokens: z.int().min(50).max(100_000).describe('Maximum number of tokens in a document.'),
      max_depth: z.int().min(1).max(100).describe('Maximum nesting depth of fields.'),
      max_fields: z
        .int()
        .min(1)
        .max(100_000)
        .describe('Maximum number of fields. Fields of a fragment count once per spread.'),
      max_aliases: z.int().min(0).max(10_000).describe('Maximum number of aliases.'),
      max_directives: z.int().min(0).max(10_000).describe('Maximum number of directives.'),
      max_cost: z
        .int()
        .min(1)
        .max(10_000_000)
        .describe(
          'Maximum cost of an operation: 1 per object that its lists can contain, and more for expensive fields such as `totalCount`.',
        ),
      max_event_cost: z
        .int()
        .min(1)
        .max(10_000_000)
        .describe('Maximum cost of one event of a subscription, calculated in the same way.'),
      deadline: duration.describe(
        'Timeout of an operation, or of one event of a subscription. Its SQL statements are then cancelled. 0ms disables the timeout.',
      ),
      response_cache: duration.describe(
        'Maximum TTL of cached responses of expensive queries in Redis. A change of their data invalidates them immediately. 0ms disables the cache.',
      ),
      document_cache: z
        .int()
        .min(10_000)
        .max(100_000_000)
        .describe(
          'Size of the cache of parsed documents, in characters of their text. It needs about a hundred times as many bytes of memory.',
        ),
      trusted_documents: z
        .string()
        .min(1)
        .optional()
        .describe(
          'Trusted documents, which clients reference by their SHA-256 hash: a JSON file that maps hashes to documents, or a folder of such files and of *.graphql files.',
        ),
      only_trusted: z.boolean().describe('Reject all documents that are not trusted.'),
    })
    .refine(({ only_trusted, trusted_documents }) => !only_trusted || trusted_documents !== undefined, {
      error: 'only_trusted requires trusted_documents; without them every request would be rejected',
    })
    .describe('GraphQL endpoint.'),
  schema_usage: z
    .strictObject({
      enabled: z.boolean().describe('Record which clients use which fields, arguments and enum values.'),
      flush: duration.describe('Interval at which the counts are written to PostgreSQL.'),
      max_clients: z
        .int()
        .min(1)
        .max(10_000)
        .describe(
          'Maximum number of distinct clients per process and day. Further clients are recorded as `other`.',
        ),
    })
    .refine(({ flush }) => flush >= 1_000 && flush <= 120_000, {
      error: 'expected an interval from 1s to 2m',
      path: ['flush'],
    })
    .describe('Use of the GraphQL schema, for the query `schemaUsage` and for the check of a new schema.'),
  database: z
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
    .describe('PostgreSQL.'),
  redis: z
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
    .describe('Redis. The API continues to serve while Redis is unavailable.'),
  migrations: z
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
    .describe('`migrate` role.'),
  metrics: z.strictObject({ port: port.describe('Port of /metrics; 0 selects a free port.') }),
  tracing: z
    .strictObject({
      endpoint: z
        .url({ protocol: /^https?$/ })
        .optional()
        .describe(
          'OTLP/HTTP endpoint for traces, for example http://collector:4318/v1/traces. Without it, tracing is disabled.',
        ),
      sample_ratio: z
        .number()
        .min(0)
        .max(1)
        .describe(
          "Share of new traces that are sampled, from 0 to 1. A caller's sampling decision takes precedence.",
        ),
    })
    .describe('OpenTelemetry tracing.'),
  worker: z
    .strictObject({
      concurrency: z.int().min(1).max(1_000).describe('Concurrent jobs per queue and worker.'),
      attempts: z
        .int()
        .min(1)
        .max(100)
        .describe('Maximum number of attempts of a job. It then becomes a dead letter.'),
      retry_initial: duration.describe(
        'Initial delay before a job is retried; it doubles with each attempt.',
      ),
      job_timeout: duration.describe('Timeout of a job.'),
      keep_dead_letters: duration.describe(
        'Retention of dead letters. They can be listed and retried during this time.',
      ),
    })
    .describe('`worker` role.'),
  webhooks: z
    .strictObject({
      timeout: duration.describe('Timeout for the response of the endpoint.'),
      attempts: z
        .int()
        .min(1)
        .max(100)
        .describe('Maximum number of attempts of a message. It then becomes a dead letter.'),
      retry_initial: duration.describe(
        'Initial delay before a message is retried; it doubles with each attempt.',
      ),
      retry_max: duration.describe('Maximum delay before a message is retried.'),
      allow_private: z.boolean().describe('Allow plain HTTP and private IP addresses. Only for development.'),
    })
    .describe('Webhooks, which the worker sends.'),
  retention: z
    .strictObject({
      every: duration.describe('Interval of the retention jobs.'),
      deployments: duration.describe(
        'Retention of finished deployments. Older ones are rolled up per day for the delivery metrics and deleted. 0ms keeps them permanently.',
      ),
      audit: duration.describe('Retention of the audit log. 0ms keeps it permanently.'),
      events: duration.describe(
        'Retention of events and webhook messages. Subscriptions can resume within this time. 0ms keeps them permanently.',
      ),
      schema_usage: duration.describe(
        'Retention of the recorded use of the schema. 0ms keeps it permanently.',
      ),
    })
    .refine(({ every }) => every >= 1_000, { error: 'expected an interval of at least 1s', path: ['every'] })
    .describe('Retention of data.'),
  grafana: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .optional()
        .describe('URL of Grafana. Without it, no annotations are written.'),
      token: z
        .string()
        .meta({ writeOnly: true })
        .optional()
        .describe('Token of a Grafana service account. Secret.'),
      token_file: z.string().optional().describe('File with the value of `token`; reloaded when it changes.'),
    })
    .describe('Deployment annotations in Grafana, which the worker writes.'),
  logging: z.strictObject({
    level: z
      .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
      .describe('Minimum log level.'),
  }),
  shutdown: z
    .strictObject({
      delay: duration.describe(
        'Time for which requests are still served after the readiness probe fails, so that load balancers can remove the pod.',
      ),
      timeout: duration.describe('Timeout for requests in progress to finish after the delay.'),
    })
    .describe('Graceful shutdown on SIGTERM.'),
});

export type Settings = z.infer<typeof fileSettingsSchema> & { environment: Environment };

function protocolOf(text: string): string {
  return URL.canParse(text) ? new URL(text).protocol : '';
}
