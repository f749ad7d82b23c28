import type { Settings } from '../config/schema.js';
import { Database } from '../database/database.js';
import { addDatabaseGauges } from '../database/database-metrics.js';
import { slowQueryLog } from '../database/pool/slow-queries.js';
import { knownMigrations } from '../migrations/engine/known-migrations.js';
import { schemaMisfit } from '../migrations/engine/schema-misfit.js';
import { ENTITIES } from '../modules/modules.js';
import type { Logger } from '../observability/logging/logger.js';
import { observeBatches } from '../observability/metrics/batch-observer.js';
import type { Metrics } from '../observability/metrics/metrics.js';
import type { RedisClient } from '../redis/redis.js';

/** Creates the database with its metrics. The caller starts it. */
export async function createDatabase(
  settings: Settings,
  metrics: Metrics,
  log: Logger,
  redis?: RedisClient,
): Promise<Database> {
  const known = await knownMigrations();
  const slow = slowQueryLog(log, settings.database.slow_query);
  const database = new Database({
    settings: settings.database,
    entities: ENTITIES,
    schemaMisfit: (connection) => schemaMisfit(connection, known),
    ...(redis && { redis }),
    log,
    observe: (event) => {
      metrics.statement(event);
      slow(event);
    },
    onRetry: (what) => metrics.databaseRetry(what),
  });
  addDatabaseGauges(metrics.registry, database);
  observeBatches(metrics.loaderBatch);
  return database;
}
