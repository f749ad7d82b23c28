import type { GraphQLSchema } from 'graphql';
import type { Settings } from '../config/schema.js';
import type { Database } from '../database/database.js';
import { TrustedDocuments } from '../graphql/admission/trusted-documents.js';
import { sha256 } from '../graphql/execution/known-documents.js';
import { sdlOf } from '../graphql/sdl.js';
import type { CountUsage } from '../graphql/usage/count-usage.js';
import { documentUsages } from '../graphql/usage/document-usages.js';
import { UsageCounter } from '../graphql/usage/usage-counter.js';
import { UsageRecorder } from '../modules/schema-usage/usage-recorder.js';
import { UsageTable } from '../modules/schema-usage/usage-table.js';
import type { Logger } from '../observability/logging/logger.js';
import type { Metrics } from '../observability/metrics/metrics.js';

export interface UsageRecording {
  count: CountUsage;
  recorder: UsageRecorder;
}

/** Undefined when the settings disable the recording. Throws a ConfigError when the trusted documents cannot be loaded. */
export function createUsageRecorder({
  settings,
  schema,
  version,
  database,
  metrics,
  log,
}: {
  settings: Settings;
  schema: GraphQLSchema;
  version: string;
  database: Database;
  metrics: Metrics;
  log: Logger;
}): UsageRecording | undefined {
  const { enabled, flush: flushMs, max_clients: maxClients } = settings.schema_usage;
  if (!enabled) return undefined;
  const sdl = sdlOf(schema);
  const { trusted_documents: trusted } = settings.graphql;
  const counter = new UsageCounter({ schema, maxClients });
  const recorder = new UsageRecorder({
    counter,
    table: new UsageTable(database.dataSource),
    served: { hash: sha256(sdl), sdl, version },
    ...(trusted && { permanent: documentUsages(schema, TrustedDocuments.read(trusted).all) }),
    flushMs,
    isReady: () => database.monitor.status.state === 'ready',
    registry: metrics.registry,
    log,
  });
  return { count: (operation, client, values) => counter.count(operation, client, values), recorder };
}
