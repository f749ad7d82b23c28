/** Every setting of the API: type, bounds and description. The defaults are in configs/base.toml. */
import { z } from 'zod';
import { auth } from './sections/auth-settings.js';
import { graphql, schemaUsage } from './sections/graphql-settings.js';
import { retention, webhooks, worker } from './sections/job-settings.js';
import { grafana, logging, metrics, tracing } from './sections/observability-settings.js';
import { rateLimit, server, shutdown } from './sections/server-settings.js';
import { database, migrations, redis } from './sections/store-settings.js';

export const environmentSchema = z.enum(['development', 'staging', 'production']);
export type Environment = z.infer<typeof environmentSchema>;

/** The settings of files and variables. `environment` is set only by its variable. */
export const fileSettingsSchema = z.strictObject({
  server,
  auth,
  rate_limit: rateLimit,
  graphql,
  schema_usage: schemaUsage,
  database,
  redis,
  migrations,
  metrics,
  tracing,
  worker,
  webhooks,
  retention,
  grafana,
  logging,
  shutdown,
});

export type Settings = z.infer<typeof fileSettingsSchema> & { environment: Environment };
