import 'reflect-metadata';
import cluster from 'node:cluster';
import { ENV, EXIT } from '../../contract/image.js';
import { createAuthenticator } from '../auth/create-authenticator.js';
import { loadSettings } from '../config/load.js';
import type { Settings } from '../config/schema.js';
import { version as imageVersion } from '../config/version.js';
import { addGraphqlRoutes } from '../graphql/graphql-routes.js';
import { createGraphqlServer } from '../graphql/graphql-server.js';
import { addSubscriptions, credentialsOf } from '../graphql/subscriptions/subscriptions.js';
import { addBackpressure } from '../http/backpressure.js';
import { addBrowserRules } from '../http/browser-rules.js';
import { BufferedRateLimiter } from '../http/buffered-rate-limiter.js';
import { addHealthRoutes } from '../http/health/health-routes.js';
import { Readiness } from '../http/health/readiness.js';
import { addHostCheck, allowsHost } from '../http/host-check.js';
import { Gate, identify } from '../http/identify.js';
import { RateLimiter } from '../http/rate-limiter.js';
import { addRequestHooks } from '../http/request-hooks.js';
import { createHttpServer } from '../http/server.js';
import { followCertificate, readCertificate } from '../http/tls.js';
import { Housekeeping } from '../jobs/housekeeping.js';
import { listenAll } from '../lifecycle/listen.js';
import { endOnUnexpected, untilAsked } from '../lifecycle/process.js';
import { type Closeable, shutDown, trackSockets } from '../lifecycle/shutdown.js';
import { startTracing } from '../lifecycle/start-tracing.js';
import {
  reportFewerWorkers,
  runWorkers,
  settingsOfWorker,
  shareMetrics,
  workerCount,
} from '../lifecycle/workers.js';
import { AlertIncidents } from '../modules/alertmanager/alert-incidents.js';
import { addAlertmanagerRoutes } from '../modules/alertmanager/alertmanager-routes.js';
import { AuditLog } from '../modules/audit/audit-log.js';
import { addSubscriberGauge } from '../modules/events/event-metrics.js';
import { createModules } from '../modules/modules.js';
import { IdentityTable } from '../modules/users/identity-table.js';
import { createLogger, type Logger } from '../observability/logging/logger.js';
import { createMetrics } from '../observability/metrics/metrics.js';
import { createMetricsServer } from '../observability/metrics/metrics-server.js';
import { traceResolvers } from '../observability/tracing/resolver-spans.js';
import { closeRedis, createRedis, type RedisClient, redisState } from '../redis/redis.js';
import { addRedisGauges } from '../redis/redis-metrics.js';
import { createDatabase } from './create-database.js';
import { createSignal } from './create-signal.js';
import { createUsageRecorder } from './create-usage-recorder.js';
import { housekeepingJobs } from './housekeeping.js';

/** Intervals by which housekeeping in this role is later than in a worker. */
const WORKER_FIRST = 2;

/** Serves until SIGTERM. Throws ConfigError for invalid settings. */
export async function serve(): Promise<number> {
  const all = await loadSettings();
  const workers = workerCount(all);
  const settings = settingsOfWorker(all, workers.count);
  const log = createLogger(settings.logging.level);
  endOnUnexpected(log);
  // First: PID 1 of a container ignores signals without a handler.
  const asked = untilAsked();
  if (cluster.isPrimary) reportFewerWorkers(workers, all, log);
  if (workers.count > 1 && cluster.isPrimary) return runWorkers(settings, workers, asked, log);
  const stop = await start(settings, log);
  await asked;
  await stop();
  return EXIT.ok;
}

/** Starts the server. Returns a function that shuts it down. */
async function start(settings: Settings, log: Logger): Promise<() => Promise<void>> {
  const version = imageVersion();
  const revision = process.env[ENV.revision] ?? '';
  const stopTracing = await startTracing({
    settings: settings.tracing,
    serviceName: 'pcf-api',
    version,
    revision,
    log,
  });
  const metrics = createMetrics({ version, revision });
  const redis = createRedis(settings, log);
  const database = await createDatabase(settings, metrics, log, redis);
  addRedisGauges(metrics.registry, redis);
  const readiness = new Readiness({
    database: () => database.monitor.status,
    redis: () => redisState(redis),
    replica: () => database.replicaStatus,
  });
  database.start(); // connects while the schema is built

  const { schema, context, feed } = await createModules(database.dataSource, {
    signal: createSignal(settings, database, redis, log),
    webhooks: { allowPrivate: settings.webhooks.allow_private },
    log,
  });
  const identities = new IdentityTable(database.dataSource, log);
  const authentication = createAuthenticator(settings, identities, log);
  const { authenticator } = authentication;
  traceResolvers(schema);
  addSubscriberGauge(metrics.registry, feed);
  const usage = createUsageRecorder({ settings, schema, version, database, metrics, log });
  const graphql = await createGraphqlServer<ReturnType<typeof context>>({
    settings,
    schema,
    redis,
    metrics,
    log,
    ...(usage && { countUsage: usage.count }),
    databaseLost: () => database.monitor.checkSoon(),
    retryAfterSeconds: () => database.monitor.retryAfterSeconds,
  });
  const certificate = readCertificate(settings.server);
  // In pods of the operator, a gateway selects the route by the host name.
  const hostIsChecked = settings.auth.open && revision === '';
  const app = createHttpServer(settings, log, certificate);
  trackSockets(app);
  addBackpressure(app, settings, metrics.registry);
  addRequestHooks(app, { version, revision, database, metrics, readiness, log });
  if (hostIsChecked) addHostCheck(app, settings.server.allowed_hosts);
  addBrowserRules(app, { origins: settings.server.cors_origins, tls: certificate !== undefined });
  addHealthRoutes(app, readiness);
  const limiters = rateLimiters(settings, redis);
  const gate = new Gate({ authenticator, ...limiters, registry: metrics.registry });
  const identifyClient = identify({ gate, databaseLost: () => database.monitor.checkSoon(), log });
  addGraphqlRoutes(app, {
    ...graphql,
    monitor: database.monitor,
    playground: settings.graphql.playground_enabled,
    identify: identifyClient,
    context,
  });
  addAlertmanagerRoutes(app, {
    incidents: new AlertIncidents(database.dataSource, feed.announce),
    monitor: database.monitor,
    identify: identifyClient,
    record: new AuditLog(database.dataSource, log).record,
    log,
  });

  const subscriptions = addSubscriptions(app, {
    runner: graphql.subscriptions,
    authenticate: (subscriber) => gate.authenticate(credentialsOf(subscriber)),
    refused: (error, address) => gate.refused(error, address),
    take: (identity, address) => gate.take(identity, address),
    origins: settings.server.cors_origins,
    ...(hostIsChecked && {
      allowsHost: (headers) => allowsHost(headers, settings.server.allowed_hosts),
    }),
    context,
    mask: graphql.mask,
    log,
  });

  const metricsServer = cluster.isPrimary ? createMetricsServer(metrics.registry) : undefined;
  if (!metricsServer) shareMetrics(metrics.registry);
  // The pod is ready when any worker is: one that listened earlier would fail its share of requests.
  if (cluster.isWorker) await database.monitor.attempted;
  const addresses = await listenAll(settings, app, metricsServer);
  const tls = certificate && followCertificate(app.server as never, settings.server, metrics.registry, log);
  log.info(
    {
      ...addresses,
      tls: Boolean(certificate),
      version,
      revision,
      environment: settings.environment,
    },
    'serving',
  );

  const { every: everyMs } = settings.retention;
  const housekeeping = new Housekeeping({
    jobs: housekeepingJobs(database.dataSource, settings.retention, WORKER_FIRST * everyMs),
    everyMs,
    isReady: () => database.monitor.status.state === 'ready',
    log,
  });

  const closeables: Closeable[] = [
    { name: 'housekeeping', close: () => housekeeping.close() },
    { name: 'Apollo', close: () => graphql.apollo.stop() },
    { name: 'events', close: () => feed.close() },
    { name: 'schema usage', close: () => usage?.recorder.close() },
    { name: 'identities', close: () => identities.close() },
    { name: 'authentication', close: () => authentication.close() },
    { name: 'certificate', close: () => tls?.close() },
    { name: 'Redis', close: () => closeRedis(redis) },
    { name: 'database', close: () => database.close() },
    { name: 'tracing', close: () => stopTracing?.() },
    { name: 'metrics', close: () => metricsServer?.close() },
  ];
  const readinessOff = () => readiness.turnOff();
  const endless = [subscriptions];
  return () => shutDown({ settings: settings.shutdown, readinessOff, app, endless, closeables, log });
}

function rateLimiters({ rate_limit: limit }: Settings, redis: RedisClient | undefined) {
  const { requests, failures, window: windowMs } = limit;
  const limiter = (name: string, points: number) =>
    points > 0 ? new RateLimiter({ name, points, windowMs }, redis) : undefined;
  const ofIdentities = limiter('requests', requests);
  return {
    limiter: ofIdentities && new BufferedRateLimiter(ofIdentities),
    failures: limiter('failures', failures),
  };
}
