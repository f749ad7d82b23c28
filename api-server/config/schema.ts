/** Every setting of the API: its type, bounds and meaning. The values it starts from are in configs/base.toml. */
import { z } from 'zod';

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

export const environmentSchema = z.enum(['development', 'staging', 'production']);
export type Environment = z.infer<typeof environmentSchema>;

/** The settings that files and variables may hold; `environment` comes from its variable alone. */
export const fileSettingsSchema = z.strictObject({
  server: z
    .strictObject({
      host: z.string().min(1).describe('The address to listen on.'),
      port: port.describe('The port of GraphQL and the health checks; 0 takes any free one.'),
      body_limit: z.int().min(1_024).max(67_108_864).describe('The largest request body, in bytes.'),
    })
    .describe('The HTTP server.'),
  graphql: z
    .strictObject({
      playground_enabled: z.boolean().describe('Serve GraphiQL at /graphql to browsers.'),
      introspection_enabled: z.boolean().describe('Answer queries about the GraphQL schema.'),
    })
    .describe('The GraphQL endpoint.'),
  database: z
    .strictObject({
      url: secretUrl(['postgres:', 'postgresql:'], 'postgresql://host:5432/name').describe(
        'Where PostgreSQL is. A secret.',
      ),
      max_connections: z
        .int()
        .min(2)
        .max(10_000)
        .describe('Connections of this process; one of them watches over the database.'),
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
      url: secretUrl(['redis:', 'rediss:'], 'redis://host:6379')
        .optional()
        .describe('Where Redis is. A secret. Leave out to run without Redis.'),
      mode: z.enum(['standalone', 'cluster']).describe('One server, or a Redis Cluster.'),
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
