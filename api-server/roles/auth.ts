import 'reflect-metadata';
import { ENV, EXIT } from '../../contract/image.js';
import { createSharedSecrets } from '../auth/create-authenticator.js';
import { ConfigError } from '../config/config-error.js';
import { loadSettings } from '../config/load.js';
import type { Settings } from '../config/schema.js';
import { version as imageVersion } from '../config/version.js';
import { addBackpressure } from '../http/backpressure.js';
import { addHealthRoutes } from '../http/health/health-routes.js';
import { Readiness } from '../http/health/readiness.js';
import { addRequestHooks } from '../http/request-hooks.js';
import { createHttpServer } from '../http/server.js';
import { followCertificate, readCertificate } from '../http/tls.js';
import { listenAll } from '../lifecycle/listen.js';
import { endOnUnexpected, untilAsked } from '../lifecycle/process.js';
import { type Closeable, shutDown, trackSockets } from '../lifecycle/shutdown.js';
import { startTracing } from '../lifecycle/start-tracing.js';
import { AuditLog } from '../modules/audit/audit-log.js';
import { LoginService } from '../modules/login/login.service.js';
import { addLoginRoutes } from '../modules/login/login-routes.js';
import { LoginThrottle } from '../modules/login/login-throttle.js';
import { RefreshTokens } from '../modules/login/refresh-tokens.js';
import { createLogger, type Logger } from '../observability/logging/logger.js';
import { createMetrics } from '../observability/metrics/metrics.js';
import { createMetricsServer } from '../observability/metrics/metrics-server.js';
import { closeRedis, createRedis, redisState } from '../redis/redis.js';
import { addRedisGauges } from '../redis/redis-metrics.js';
import { createDatabase } from './create-database.js';

/** Serves the login until SIGTERM. Throws ConfigError for invalid settings. */
export async function auth(): Promise<number> {
  const settings = await loadSettings(process.env, 'auth');
  const log = createLogger(settings.logging.level);
  endOnUnexpected(log);
  const asked = untilAsked();
  const stop = await start(settings, log);
  await asked;
  await stop();
  return EXIT.ok;
}

/** Starts the server. Returns a function that shuts it down. */
async function start(settings: Settings, log: Logger): Promise<() => Promise<void>> {
  const shared = createSharedSecrets(settings.auth, log);
  if (!shared) {
    const problem = 'is required; it signs the tokens';
    throw new ConfigError([{ path: 'auth.jwt_secret', problem }]);
  }
  const version = imageVersion();
  const revision = process.env[ENV.revision] ?? '';
  const tracing = { settings: settings.tracing, serviceName: 'pcf-api-auth', version, revision, log };
  const stopTracing = await startTracing(tracing);
  const metrics = createMetrics({ version, revision });
  const database = await createDatabase(settings, metrics, log);
  const redis = createRedis(settings, log);
  addRedisGauges(metrics.registry, redis);
  const readiness = new Readiness({
    database: () => database.monitor.status,
    redis: () => redisState(redis),
  });
  database.start();

  const { issuer, audience, access_token_ttl: ttlMs, login_attempts: attempts } = settings.auth;
  const { dataSource } = database;
  const service = new LoginService({
    dataSource,
    tokens: new RefreshTokens(dataSource, settings.auth.refresh_token_ttl),
    signer: { secrets: shared.secrets, issuer, audience, ttlMs },
    throttle: new LoginThrottle({ attempts, windowMs: settings.auth.login_window }, redis),
    record: new AuditLog(dataSource, log).record,
    log,
  });
  const certificate = readCertificate(settings.server);
  const app = createHttpServer(settings, log, certificate);
  trackSockets(app);
  addBackpressure(app, settings, metrics.registry);
  addRequestHooks(app, { version, revision, database, metrics, readiness, log });
  addHealthRoutes(app, readiness);
  addLoginRoutes(app, service, database.monitor);

  const metricsServer = createMetricsServer(metrics.registry);
  const addresses = await listenAll(settings, app, metricsServer);
  const tls = certificate && followCertificate(app.server as never, settings.server, metrics.registry, log);
  log.info({ ...addresses, version, revision, environment: settings.environment }, 'serving logins');

  const closeables: Closeable[] = [
    { name: 'secret', close: () => shared.close() },
    { name: 'certificate', close: () => tls?.close() },
    { name: 'Redis', close: () => closeRedis(redis) },
    { name: 'database', close: () => database.close() },
    { name: 'tracing', close: () => stopTracing?.() },
    { name: 'metrics', close: () => metricsServer.close() },
  ];
  const readinessOff = () => readiness.turnOff();
  return () => shutDown({ settings: settings.shutdown, readinessOff, app, closeables, log });
}
