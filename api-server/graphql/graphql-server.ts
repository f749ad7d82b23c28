/** Composition of GraphQL: admission, known documents, the runner, Apollo and the pipeline. */
import type { ApolloServer, ApolloServerPlugin, BaseContext } from '@apollo/server';
import type { GraphQLSchema } from 'graphql';
import { Counter } from 'prom-client';
import type { Settings } from '../config/schema.js';
import type { Logger } from '../observability/logging/logger.js';
import type { Metrics } from '../observability/metrics/metrics.js';
import type { RedisClient } from '../redis/redis.js';
import { Admission } from './admission/admission.js';
import { TrustedDocuments } from './admission/trusted-documents.js';
import { APOLLO_PLUGINS, startApollo } from './apollo.js';
import { ResponseCache } from './cache/response-cache.js';
import { KnownDocuments, sha256 } from './execution/known-documents.js';
import { OperationRunner } from './execution/operation-runner.js';
import { type ErrorMask, errorFormatter, maskOf } from './format-error.js';
import { Pipeline } from './pipeline.js';
import { sdlOf } from './sdl.js';
import { SubscriptionRunner } from './subscriptions/subscription-runner.js';
import type { CountUsage } from './usage/count-usage.js';

export interface GraphqlServerParts {
  settings: Settings;
  schema: GraphQLSchema;
  redis: RedisClient | undefined;
  metrics: Metrics;
  log: Logger;
  plugins?: readonly ApolloServerPlugin<BaseContext>[];
  /** Records the use of the schema; undefined when it is not recorded. */
  countUsage?: CountUsage;
  databaseLost(): void;
  retryAfterSeconds(): number;
}

export interface GraphqlServer<Context extends BaseContext> {
  apollo: ApolloServer<Context>;
  pipeline: Pipeline<Context>;
  subscriptions: SubscriptionRunner;
  mask: ErrorMask;
}

/** Throws a ConfigError when the trusted documents cannot be loaded. */
export async function createGraphqlServer<Context extends BaseContext>(
  parts: GraphqlServerParts,
): Promise<GraphqlServer<Context>> {
  const { settings, schema, metrics } = parts;
  const { graphql } = settings;
  const formatError = errorFormatter(parts);
  const mask = maskOf(formatError);
  const hideSuggestions = !graphql.introspection_enabled;
  const documents = new KnownDocuments(schema, { maxText: graphql.document_cache, hideSuggestions });
  const admission = new Admission({
    schema,
    introspection: graphql.introspection_enabled,
    documents,
    limits: {
      depth: graphql.max_depth,
      fields: graphql.max_fields,
      aliases: graphql.max_aliases,
      directives: graphql.max_directives,
    },
    maxTokens: graphql.max_tokens,
    trusted: graphql.trusted_documents ? TrustedDocuments.read(graphql.trusted_documents) : undefined,
    onlyTrusted: graphql.only_trusted,
  });
  const runner = new OperationRunner({
    maxCost: graphql.max_cost,
    deadline: graphql.deadline,
    mask,
    metrics,
    ...cacheOf(parts),
    countUsage: parts.countUsage,
    retryAfterSeconds: parts.retryAfterSeconds,
  });
  const { plugins = APOLLO_PLUGINS } = parts;
  const shared = { documents, admission, runner, mask };
  const subscriptions = new SubscriptionRunner({
    ...{ schema, documents, admission, mask, metrics },
    maxCost: graphql.max_event_cost,
    countUsage: parts.countUsage,
    deadline: graphql.deadline,
  });
  const apollo = await startApollo<Context>({ ...parts, ...shared, plugins, formatError });
  const pipeline = new Pipeline<Context>({ ...shared, apollo, hasPlugins: plugins.length > 0 });
  return { apollo, pipeline, subscriptions, mask };
}

/** No cache without Redis, or when the setting disables it. */
function cacheOf({ settings, schema, redis, metrics, log }: GraphqlServerParts) {
  const maxSeconds = Math.floor(settings.graphql.response_cache / 1_000);
  if (!redis || maxSeconds === 0) return {};
  const schemaHash = sha256(sdlOf(schema));
  const lookups = new Counter({
    name: 'pcf_api_response_cache_lookups_total',
    help: 'Lookups in the response cache, by outcome.',
    labelNames: ['outcome'] as const,
    registers: [metrics.registry],
  });
  const onLookup = (outcome: string) => lookups.inc({ outcome });
  return { cache: { answers: new ResponseCache({ redis, schemaHash, onLookup, log }), maxSeconds } };
}
