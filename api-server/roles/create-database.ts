import type { Settings } from '../config/schema.js';
import { ENTITIES } from '../modules/modules.js';
import { Database } from '../platform/database/database.js';
import { slowQueryLog } from '../platform/database/slow-queries.js';
import type { Logger } from '../platform/logging/logger.js';
import { observeBatches } from '../platform/metrics/batch-observer.js';
import { addDatabaseGauges } from '../platform/metrics/database-metrics.js';
import type { Metrics } from '../platform/metrics/metrics.js';
import { knownMigrations } from '../platform/migrations/known-migrations.js';
import type { RedisClient } from '../platform/redis/redis.js';

/** Creates the database with its metrics. The caller starts it. */
export async function createDatabase(
  settings: Settings,
  metrics: Metrics,
  log: Logger,
  redis?: RedisClient,
): Promise<Database> {
  const slow = slowQueryLog(log, settings.database.slow_query);
  const database = new Database({
    settings: settings.database,
    entities: ENTITIES,
    migrations: await knownMigrations(),
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
