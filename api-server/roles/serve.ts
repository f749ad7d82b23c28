import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { ENV, EXIT } from '../../contract/image.js';
import { loadSettings } from '../config/load.js';
import type { Settings } from '../config/schema.js';
import { createModules, ENTITIES } from '../modules/modules.js';
import { createDataSource, poolFigures } from '../platform/database/data-source.js';
import { DatabaseMonitor } from '../platform/database/database-monitor.js';
import { openWatchConnection } from '../platform/database/watch-connection.js';
import { startApollo } from '../platform/graphql/apollo.js';
import { addGraphqlRoutes } from '../platform/graphql/graphql-routes.js';
import { addHealthRoutes } from '../platform/health/health-routes.js';
import { Readiness } from '../platform/health/readiness.js';
import { addRequestHooks } from '../platform/http/request-hooks.js';
import { createHttpServer } from '../platform/http/server.js';
import { leaveLastWords } from '../platform/last-words.js';
import { createLogger, type Logger } from '../platform/logging/logger.js';
import { createMetrics } from '../platform/metrics/metrics.js';
import { createMetricsServer, listen } from '../platform/metrics/metrics-server.js';
import { knownMigrations } from '../platform/migrations/known-migrations.js';
import { missingMigrations } from '../platform/migrations/missing-migrations.js';
import { closeRedis, createRedis, redisState } from '../platform/redis/redis.js';
import { onSignals, shutDown } from '../platform/shutdown.js';
import { version as imageVersion } from '../platform/version.js';

/** Serves until a signal ends it. Throws a ConfigError when the settings are refused. */
export async function serve(): Promise<number> {
  const settings = await loadSettings();
  const log = createLogger(settings.logging.level);
  endOnUnexpected(log);
  // Before anything else: as process 1 of a container it would ignore a signal that it has no handler for.
  const asked = new Promise<void>((resolve) => {
    onSignals(resolve, () => process.exit(EXIT.failure));
  });
  const stop = await start(settings, log);
  await asked;
  await stop();
  return EXIT.ok;
}

/** Starts everything, and returns how to end it in order. */
async function start(settings: Settings, log: Logger): Promise<() => Promise<void>> {
  const version = imageVersion();
  const revision = process.env[ENV.revision] ?? '';
  const dataSource = createDataSource(settings, ENTITIES, log);
  const monitor = await createMonitor(settings, dataSource, log);
  const redis = createRedis(settings, log);
  const readiness = new Readiness(
    () => monitor.status,
    () => redisState(redis),
  );
  const metrics = createMetrics({
    version,
    revision,
    pool: () => poolFigures(dataSource),
    databaseReady: () => monitor.isReady,
    redisReady: () => redisState(redis) === 'ready',
  });
  monitor.start(); // connects while the schema is built

  const { schema, context } = await createModules(dataSource);
  const apollo = await startApollo<ReturnType<typeof context>>({
    settings,
    schema,
    redis,
    metrics,
    log,
    databaseLost: () => monitor.checkSoon(),
    retryAfterSeconds: () => monitor.retryAfterSeconds,
  });
  const app = createHttpServer(settings, log);
  addRequestHooks(app, { version, revision, metrics, readiness, log });
  addHealthRoutes(app, readiness);
  addGraphqlRoutes(app, { apollo, monitor, playground: settings.graphql.playground_enabled, context });

  const metricsServer = createMetricsServer(metrics.registry);
  const { host } = settings.server;
  const metricsPort = await listen(metricsServer, settings.metrics.port, host);
  await app.listen({ host, port: settings.server.port });
  const { port } = app.server.address() as AddressInfo;
  log.info({ host, port, metricsPort, version, revision, environment: settings.environment }, 'serving');

  const closeables = [
    { name: 'Apollo', close: () => apollo.stop() },
    { name: 'Redis', close: () => closeRedis(redis) },
    { name: 'database monitor', close: () => monitor.close() },
    { name: 'database pool', close: () => (dataSource.isInitialized ? dataSource.destroy() : undefined) },
    { name: 'metrics', close: () => metricsServer.close() },
  ];
  const readinessOff = () => readiness.turnOff();
  return () => shutDown({ settings: settings.shutdown, readinessOff, app, closeables, log });
}

async function createMonitor(
  settings: Settings,
  dataSource: ReturnType<typeof createDataSource>,
  log: Logger,
): Promise<DatabaseMonitor> {
  const known = await knownMigrations();
  const { retry_initial: initialMs, retry_max: maxMs, probe_interval: probeIntervalMs } = settings.database;
  return new DatabaseMonitor({
    open: () => openWatchConnection(settings),
    prepare: async () => {
      if (!dataSource.isInitialized) await dataSource.initialize();
    },
    missingMigrations: (connection) => missingMigrations(connection, known),
    backoff: { initialMs, maxMs },
    probeIntervalMs,
    log,
  });
}

/** A bug must not leave a process that looks alive and is in no known state. */
function endOnUnexpected(log: Logger): void {
  const end = (error: unknown) => {
    log.fatal({ err: error }, 'an unexpected error ended the process');
    leaveLastWords(`unexpected error: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(EXIT.failure);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}
