import {
  ApolloServer,
  type ApolloServerOptionsWithSchema,
  type ApolloServerPlugin,
  type BaseContext,
} from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import type { GraphQLSchema } from 'graphql';
import type { Settings } from '../config/schema.js';
import type { Logger } from '../observability/logging/logger.js';
import { persistedQueries } from '../redis/persisted-queries.js';
import type { RedisClient } from '../redis/redis.js';
import type { Admission } from './admission/admission.js';
import type { KnownDocuments } from './execution/known-documents.js';
import type { OperationRunner } from './execution/operation-runner.js';
import type { ErrorFormatter } from './format-error.js';
import { runOperations } from './plugins.js';

export interface ApolloParts {
  settings: Settings;
  schema: GraphQLSchema;
  redis: RedisClient | undefined;
  documents: KnownDocuments;
  admission: Admission;
  runner: OperationRunner;
  formatError: ErrorFormatter;
  plugins: readonly ApolloServerPlugin<BaseContext>[];
  log: Logger;
}

/**
 * Apollo plugins of this API. As soon as there is one, each admitted request passes through Apollo,
 * which takes more CPU time. Code that must run for each operation can also be in the runner.
 */
export const APOLLO_PLUGINS: readonly ApolloServerPlugin<BaseContext>[] = [];

type DocumentStore = NonNullable<ApolloServerOptionsWithSchema<BaseContext>['documentStore']>;
const HASH_LENGTH = 64;

/** Creates and starts Apollo Server. The shutdown stops it; its own signal handlers are disabled. */
export async function startApollo<Context extends BaseContext>(
  parts: ApolloParts,
): Promise<ApolloServer<Context>> {
  const { settings, schema, documents, log } = parts;
  const { introspection_enabled: introspection, max_tokens: maxTokens } = settings.graphql;
  const apollo = new ApolloServer<Context>({
    schema,
    introspection,
    hideSchemaDetailsFromClientErrors: !introspection,
    csrfPrevention: true,
    includeStacktraceInErrorResponses: false,
    maxRecursiveSelections: true,
    validationOptions: { maxErrors: 10 },
    parseOptions: { maxTokens },
    documentStore: storeOf(documents),
    allowBatchedHttpRequests: false,
    stringifyResult: JSON.stringify,
    persistedQueries: persistedIn(parts),
    formatError: parts.formatError,
    plugins: [
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginCacheControlDisabled(), // it wraps the resolver of every field
      ApolloServerPluginUsageReportingDisabled(),
      ...parts.plugins,
      runOperations(parts),
    ],
    stopOnTerminationSignals: false,
    nodeEnv: 'production', // our settings replace the defaults that depend on NODE_ENV
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

/** Document store of Apollo: admitted documents, which Apollo neither parses nor validates again. */
function storeOf(documents: KnownDocuments): DocumentStore {
  return {
    get: async (key) => documents.byHash(key.slice(-HASH_LENGTH))?.document,
    set: async () => undefined,
    delete: async () => undefined,
  };
}

/**
 * Persisted documents are checked again, because another process may have accepted them under other
 * limits.
 */
function persistedIn({ settings, redis, admission }: ApolloParts) {
  if (settings.graphql.only_trusted) return false;
  if (!redis) return {};
  const cache = persistedQueries(redis);
  const get = async (key: string) => {
    const text = await cache.get(key);
    return text === undefined || 'errors' in admission.document(text) ? undefined : text;
  };
  return { cache: { ...cache, get } };
}
