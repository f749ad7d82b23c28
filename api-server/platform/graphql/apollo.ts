import { ApolloServer, type BaseContext } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import type { GraphQLSchema } from 'graphql';
import type { Settings } from '../../config/schema.js';
import type { Logger } from '../logging/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import { persistedQueries } from '../redis/persisted-queries.js';
import type { RedisClient } from '../redis/redis.js';
import { operationSpans } from '../tracing/operation-spans.js';
import { errorFormatter } from './format-error.js';
import { operationMetrics, unavailableStatus } from './plugins.js';

export interface ApolloParts {
  settings: Settings;
  schema: GraphQLSchema;
  redis: RedisClient | undefined;
  metrics: Metrics;
  log: Logger;
  databaseLost(): void;
  retryAfterSeconds(): number;
}

const MAX_TOKENS = 5_000;

/** Apollo Server, started. It stops when the shutdown says so, not on signals of its own. */
export async function startApollo<Context extends BaseContext>(
  parts: ApolloParts,
): Promise<ApolloServer<Context>> {
  const { settings, schema, redis, metrics, log } = parts;
  const { introspection_enabled: introspection } = settings.graphql;
  const apollo = new ApolloServer<Context>({
    schema,
    introspection,
    hideSchemaDetailsFromClientErrors: !introspection,
    csrfPrevention: true,
    includeStacktraceInErrorResponses: false,
    maxRecursiveSelections: true,
    parseOptions: { maxTokens: MAX_TOKENS },
    persistedQueries: redis ? { cache: persistedQueries(redis) } : {},
    formatError: errorFormatter({ log, databaseLost: parts.databaseLost }),
    plugins: [
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginCacheControlDisabled(), // it wraps every field's resolver
      ApolloServerPluginUsageReportingDisabled(),
      operationMetrics(metrics),
      operationSpans(),
      unavailableStatus(parts.retryAfterSeconds),
    ],
    stopOnTerminationSignals: false,
    nodeEnv: 'production', // what depends on the environment is a setting of ours
    logger: {
      debug: (message) => log.debug({ from: 'apollo' }, String(message)),
      info: (message) => log.info({ from: 'apollo' }, String(message)),
      warn: (message) => log.warn({ from: 'apollo' }, String(message)),
      error: (message) => log.error({ from: 'apollo' }, String(message)),
    },
  });
  await apollo.start();
  return apollo;
}
