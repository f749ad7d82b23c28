/** Every setting of the API: its type, bounds and meaning. The values it starts from are in configs/base.toml. */
import { z } from 'zod';
import { secretProblem } from '../platform/auth/shared-secrets.js';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** "500ms", "30s", "5m", "1h" in a file; milliseconds in the program. */
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

/** One host or several: redis://user:password@host1:6379,host2:6379/0. */
const REDIS_URL = /^rediss?:\/\/(?:[^@/\s]*@)?[^@/\s]+(?:\/\d*)?$/;

const postgresUrl = secretUrl(['postgres:', 'postgresql:'], 'postgresql://host:5432/name');

export const environmentSchema = z.enum(['development', 'staging', 'production']);
export type Environment = z.infer<typeof environmentSchema>;

/** The settings that files and variables may hold; `environment` comes from its variable alone. */
export const fileSettingsSchema = z.strictObject({
  server: z
    .strictObject({
      host: z.string().min(1).describe('The address to listen on.'),
      port: port.describe('The port of GraphQL and the health checks; 0 takes any free one.'),
      body_limit: z.int().min(1_024).max(67_108_864).describe('The largest request body, in bytes.'),
      trusted_proxies: z
        .string()
        .regex(/^(\d{1,2}|(([\da-fA-F.:]+(\/\d+)?|loopback|linklocal|uniquelocal)(, *|$))+)$/, {
          error: 'expected a number, or addresses such as 10.0.0.0/8',
        })
        .optional()
        .describe(
          'Whose X-Forwarded-For tells the client: how many proxies with private addresses there are in a row, such as "1", or their addresses and networks with commas between them, such as 10.0.0.0/8.',
        ),
      workers: z.int().min(0).max(256).describe('Processes that serve; 0 is one for each core.'),
      http2: z.boolean().describe('Offer HTTP/2 besides HTTP/1.1; only with TLS.'),
      max_connections: z
        .int()
        .min(1)
        .max(1_000_000)
        .describe('Sockets a process keeps open at once; more are closed as they come.'),
      max_in_flight: z
        .int()
        .min(1)
        .max(1_000_000)
        .describe('Requests a process works on at once; more are answered 503 with Retry-After.'),
      max_event_loop_delay: duration.describe(
        'Above this delay of the event loop new requests are answered 503; 0ms is off.',
      ),
      headers_timeout: duration.describe('How long a client may take to send its headers.'),
      receive_timeout: duration.describe('How long a client may take to send its whole request.'),
      keep_alive_timeout: duration.describe(
        'How long an idle connection is kept; more than the load balancer keeps it.',
      ),
      stall_timeout: duration.describe('How long a connection may stand still in the middle of a request.'),
      cors_origins: z
        .array(
          z
            .string()
            .regex(/^https?:\/\/[^/*\s]+$/, { error: 'expected an origin such as https://app.example.com' }),
        )
        .describe('Origins whose pages may use the API; in a variable with commas between them.'),
      tls: z
        .strictObject({
          cert_file: z
            .string()
            .optional()
            .describe('The certificate with its chain, PEM; read again when it changes.'),
          key_file: z.string().optional().describe('The key of the certificate, PEM.'),
        })
        .refine(({ cert_file, key_file }) => (cert_file === undefined) === (key_file === undefined), {
          error: 'expected both cert_file and key_file, or neither',
        })
        .describe('HTTPS; without files it is HTTP.'),
    })
    .describe('The HTTP server.'),
  auth: z
    .strictObject({
      open: z.boolean().describe('Let in who shows no token or API key, as an admin; for development alone.'),
      jwt_secret: z
        .string()
        .refine((text) => secretProblem(text) === undefined, {
          error: (issue) => `${secretProblem(String(issue.input))}`,
        })
        .meta({ writeOnly: true })
        .optional()
        .describe(
          'Signs and verifies HS256 tokens: random text of at least 32 bytes. On further lines: secrets ' +
            'that were in use before and are still good for verifying. A secret.',
        ),
      jwt_secret_file: z
        .string()
        .optional()
        .describe('A file that holds `jwt_secret`; read again when it changes.'),
      rotation_overlap: duration.describe('How long a secret that was replaced in the file still verifies.'),
      issuer: z.string().min(1).describe('Who signs the tokens: their `iss`.'),
      audience: z.string().min(1).describe('Whom tokens are for: their `aud`.'),
      clock_skew: duration.describe("How much other machines' clocks may differ."),
      jwks_url: z
        .url({ protocol: /^https?$/ })
        .optional()
        .describe("An identity provider's public keys (JWKS), for RS256 and ES256 tokens. Off without it."),
      jwks_issuer: z.string().min(1).optional().describe("The `iss` of the identity provider's tokens."),
      jwks_role_claim: z
        .string()
        .min(1)
        .describe('The claim of those tokens that names the role, or several of which the highest counts.'),
      identity_cache: duration.describe(
        'How long it is relied on who somebody was found to be; so long a revoked key may still be used.',
      ),
      access_token_ttl: duration.describe('How long a token of the `auth` role is good.'),
      refresh_token_ttl: duration.describe('How long a login lasts that is not used.'),
      login_attempts: z
        .int()
        .min(1)
        .max(1_000)
        .describe('Failed logins of an account from one address, before it has to wait.'),
      login_window: duration.describe('How long it has to wait.'),
    })
    .refine(({ jwks_url, jwks_issuer }) => (jwks_url === undefined) === (jwks_issuer === undefined), {
      error: 'expected both jwks_url and jwks_issuer, or neither',
    })
    .describe('Who is let in.'),
  rate_limit: z
    .strictObject({
      requests: z
        .int()
        .min(0)
        .max(10_000_000)
        .describe('Requests of one identity in a window; more are answered 429. 0 is off.'),
      window: duration.describe('The window, in whole seconds.'),
      failures: z
        .int()
        .min(0)
        .max(1_000_000)
        .describe('Requests of one address in a window that may show wrong credentials. 0 is off.'),
    })
    .refine(({ window }) => window >= 1_000, { error: 'expected a window of at least 1s', path: ['window'] })
    .describe('How much one identity may ask for; counted in Redis for all processes, without it by each.'),
  graphql: z
    .strictObject({
      playground_enabled: z.boolean().describe('Serve GraphiQL at /graphql to browsers.'),
      introspection_enabled: z.boolean().describe('Answer queries about the GraphQL schema.'),
      max_tokens: z.int().min(50).max(100_000).describe('Tokens of a query.'),
      max_depth: z.int().min(1).max(100).describe('How deep the fields of a query may be nested.'),
      max_fields: z
        .int()
        .min(1)
        .max(100_000)
        .describe('Fields of a query, those of fragments as often as they are spread.'),
      max_aliases: z.int().min(0).max(10_000).describe('Aliases in a query.'),
      max_directives: z.int().min(0).max(10_000).describe('Directives in a query.'),
      max_cost: z
        .int()
        .min(1)
        .max(10_000_000)
        .describe(
          'What a query may cost: 1 for each object that its lists may hold, more for what is counted.',
        ),
      max_event_cost: z
        .int()
        .min(1)
        .max(10_000_000)
        .describe('What one event of a subscription may cost, counted in the same way.'),
      deadline: duration.describe(
        'How long an operation, or one event of a subscription, may take; what it runs in the database is then cancelled. 0ms is without end.',
      ),
      response_cache: duration.describe(
        'How long answers that are dear to make are kept in Redis at most; a change of what they were made of ends it at once. 0ms is off.',
      ),
      document_cache: z
        .int()
        .min(10_000)
        .max(100_000_000)
        .describe('Characters of the queries that are kept ready to run; memory is some hundred times that.'),
      trusted_documents: z
        .string()
        .min(1)
        .optional()
        .describe(
          'Queries that clients may name by their sha256: a JSON file of texts by sha256, or a folder of such files and of *.graphql files.',
        ),
      only_trusted: z.boolean().describe('Run nothing but trusted documents.'),
    })
    .refine(({ only_trusted, trusted_documents }) => !only_trusted || trusted_documents !== undefined, {
      error: 'expected trusted_documents beside only_trusted: without them nothing could be run',
    })
    .describe('The GraphQL endpoint.'),
  database: z
    .strictObject({
      url: postgresUrl.describe('Where PostgreSQL is. A secret.'),
      url_file: z.string().optional().describe('A file that holds `url`; read again when it changes.'),
      replica_url: postgresUrl.optional().describe('A streaming replica, for reads. A secret.'),
      replica_url_file: z
        .string()
        .optional()
        .describe('A file that holds `replica_url`; read again when it changes.'),
      max_connections: z
        .int()
        .min(2)
        .max(10_000)
        .describe('Connections of this program to each server; one of each process watches over the server.'),
      replica_max_lag: duration.describe(
        'A replica that is further behind gets no reads until it caught up.',
      ),
      replica_probe_interval: duration.describe('How often the replica is asked how far it is.'),
      prepared_statements: z
        .boolean()
        .describe('Prepare what is run often; off behind a pooler that does not know it.'),
      slow_query: duration.describe('Statements that take longer are logged; 0ms is off.'),
      connect_timeout: duration.describe(
        'How long opening a connection, or waiting for a free one, may take.',
      ),
      statement_timeout: duration.describe('How long one SQL statement of a request may take.'),
      probe_interval: duration.describe('How often the database is asked whether it is there.'),
      retry_initial: duration.describe('The first wait before connecting again; it doubles each time.'),
      retry_max: duration.describe('The longest wait before connecting again.'),
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
          'Where Redis is; several hosts for Sentinel and Cluster. A secret. Leave out to run without Redis.',
        ),
      url_file: z.string().optional().describe('A file that holds `url`; read again when it changes.'),
      mode: z
        .enum(['standalone', 'sentinel', 'cluster'])
        .describe('One server; one that Sentinels at `url` know; or a Redis Cluster.'),
      sentinel_master: z.string().min(1).describe('What the Sentinels call the master.'),
      sentinel_password: z
        .string()
        .meta({ writeOnly: true })
        .optional()
        .describe("The Sentinels' own password, when they have one. A secret."),
      ca_file: z
        .string()
        .optional()
        .describe("The authority that signed the servers' certificates (rediss://), PEM."),
    })
    .describe('Redis; the API serves on without it.'),
  migrations: z
    .strictObject({
      connect_wait: duration.describe('How long `migrate` waits for a database that is away.'),
      runner_wait: duration.describe('How long `migrate` waits for another runner to end.'),
      lock_timeout: duration.describe("How long a statement waits for a table's lock before it gives way."),
      lock_attempts: z.int().min(1).max(1_000).describe('How often a migration that gave way is tried.'),
    })
    .describe('The `migrate` role.'),
  metrics: z.strictObject({ port: port.describe('The port of /metrics; 0 takes any free one.') }),
  tracing: z
    .strictObject({
      endpoint: z
        .url({ protocol: /^https?$/ })
        .optional()
        .describe(
          'Where spans go by OTLP/HTTP, for instance http://collector:4318/v1/traces. Off without it.',
        ),
      sample_ratio: z
        .number()
        .min(0)
        .max(1)
        .describe("The share of traces that start here; a caller's own choice is kept."),
    })
    .describe('OpenTelemetry.'),
  worker: z
    .strictObject({
      concurrency: z.int().min(1).max(1_000).describe('Jobs of each queue that a worker runs at once.'),
      attempts: z.int().min(1).max(100).describe('How often a job is tried before it is a dead letter.'),
      retry_initial: duration.describe('The first wait before a job is tried again; it doubles each time.'),
      job_timeout: duration.describe('How long a job may take.'),
      keep_dead_letters: duration.describe('How long a dead letter can be looked at and tried again.'),
    })
    .describe('The `worker` role.'),
  webhooks: z
    .strictObject({
      timeout: duration.describe('How long a receiver may take to answer.'),
      attempts: z.int().min(1).max(100).describe('How often a message is tried before it is a dead letter.'),
      retry_initial: duration.describe(
        'The first wait before a message is tried again; it doubles each time.',
      ),
      retry_max: duration.describe('The longest wait before a message is tried again.'),
      allow_private: z
        .boolean()
        .describe('Allow plain HTTP, and addresses in private networks; for development alone.'),
    })
    .describe('Webhooks, sent by the worker.'),
  retention: z
    .strictObject({
      every: duration.describe('How often it is looked for what is old enough to go.'),
      deployments: duration.describe(
        'How long ended deployments are kept; of those that go the delivery metrics keep their figures by the day. 0ms is for good.',
      ),
      audit: duration.describe('How long it is kept who did what; 0ms is for good.'),
      events: duration.describe(
        'How long events are kept, for subscribers that come back and webhooks; 0ms is for good.',
      ),
    })
    .describe('How long data is kept.'),
  grafana: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .optional()
        .describe('Where deployments are annotated. Off without it.'),
      token: z.string().meta({ writeOnly: true }).optional().describe('A service account token. A secret.'),
      token_file: z.string().optional().describe('A file that holds `token`; read again when it changes.'),
    })
    .describe('Annotations in Grafana, written by the worker.'),
  logging: z.strictObject({
    level: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).describe('What is logged.'),
  }),
  shutdown: z
    .strictObject({
      delay: duration.describe('How long to serve on after readiness went off, for the endpoints to notice.'),
      timeout: duration.describe('How long the requests that are running then may take to end.'),
    })
    .describe('What happens on SIGTERM.'),
});

export type Settings = z.infer<typeof fileSettingsSchema> & { environment: Environment };

function protocolOf(text: string): string {
  return URL.canParse(text) ? new URL(text).protocol : '';
}
