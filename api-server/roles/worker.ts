import 'reflect-metadata';
import { ENV, EXIT } from '../../contract/image.js';
import { ConfigError } from '../config/config-error.js';
import { loadSettings } from '../config/load.js';
import type { Settings } from '../config/schema.js';
import { Secret } from '../config/secret.js';
import { version as imageVersion } from '../config/version.js';
import type { Database } from '../database/database.js';
import { addHealthRoutes } from '../http/health/health-routes.js';
import { Readiness } from '../http/health/readiness.js';
import { addRequestHooks } from '../http/request-hooks.js';
import { createHttpServer } from '../http/server.js';
import { annotationJobs } from '../jobs/grafana-annotations.js';
import type { JobOptions } from '../jobs/job.js';
import { addQueueGauges, jobMetrics } from '../jobs/job-metrics.js';
import { JobRunner } from '../jobs/job-runner.js';
import { JOB_PAYLOADS } from '../jobs/payload-versions.js';
import { listenAll } from '../lifecycle/listen.js';
import { endOnUnexpected, untilAsked } from '../lifecycle/process.js';
import { shutDown, trackSockets } from '../lifecycle/shutdown.js';
import { startTracing } from '../lifecycle/start-tracing.js';
import { annotatedDeployment, deploymentsChangedSince } from '../modules/deployments/recent-changes.js';
import { WebhookSender } from '../modules/webhooks/sender.js';
import { webhookJobs } from '../modules/webhooks/webhook-delivery.js';
import { WebhookOutboxTable } from '../modules/webhooks/webhook-outbox.js';
import { createLogger, type Logger } from '../observability/logging/logger.js';
import { createMetrics } from '../observability/metrics/metrics.js';
import { createMetricsServer } from '../observability/metrics/metrics-server.js';
import { addReadyGauge } from '../observability/metrics/ready-gauge.js';
import { createRedis, redisState } from '../redis/redis.js';
import { createDatabase } from './create-database.js';
import { housekeepingJobs } from './housekeeping.js';

/** The queues of all jobs. */
export const QUEUES = Object.keys(JOB_PAYLOADS);

/** Runs jobs until SIGTERM. Throws ConfigError for invalid settings. */
export async function worker(): Promise<number> {
  const settings = await loadSettings(process.env, 'worker');
  const log = createLogger(settings.logging.level);
  endOnUnexpected(log);
  const asked = untilAsked();
  const stop = await start(settings, log);
  await asked;
  await stop();
  return EXIT.ok;
}

/** Starts the worker. Returns a function that shuts it down. */
async function start(settings: Settings, log: Logger): Promise<() => Promise<void>> {
  const version = imageVersion();
  const revision = process.env[ENV.revision] ?? '';
  const tracing = { settings: settings.tracing, serviceName: 'pcf-api-worker', version, revision, log };
  const stopTracing = await startTracing(tracing);
  const metrics = createMetrics({ version, revision });
  const database = await createDatabase(settings, metrics, log);
  const redis = createRedis(settings, log, 'waiting');
  if (!redis) throw new ConfigError([{ path: 'redis.url', problem: 'is required; Redis stores the jobs' }]);
  addReadyGauge(metrics.registry, 'redis', () => redisState(redis) === 'ready');
  const readiness = new Readiness({
    database: () => database.monitor.status,
    redis: () => redisState(redis),
    needsRedis: true,
  });

  const jobs = new JobRunner({
    redis,
    settings: settings.worker,
    metrics: jobMetrics(metrics.registry),
    log,
  });
  addQueueGauges(metrics.registry, () => (redisState(redis) === 'ready' ? jobs.counts() : undefined));
  const { timeout: timeoutMs, allow_private: allowPrivate } = settings.webhooks;
  const sender = new WebhookSender({ timeoutMs, allowPrivate });
  addJobs(jobs, database, settings, sender, log);
  database.start();
  jobs.start();

  const app = createHttpServer(settings, log);
  trackSockets(app);
  addRequestHooks(app, { version, revision, database, metrics, readiness, log });
  addHealthRoutes(app, readiness);
  const metricsServer = createMetricsServer(metrics.registry);
  const addresses = await listenAll(settings, app, metricsServer);
  log.info({ ...addresses, version, revision, environment: settings.environment }, 'processing jobs');

  const { timeout } = settings.shutdown;
  const closeables = [
    { name: 'webhooks', close: () => sender.close() },
    { name: 'Redis', close: () => redis.disconnect() },
    { name: 'database', close: () => database.close() },
    { name: 'tracing', close: () => stopTracing?.() },
    { name: 'metrics', close: () => metricsServer.close() },
  ];
  return async () => {
    readiness.turnOff();
    // A worker receives no traffic, so it stops without the shutdown delay.
    log.info({ timeoutMs: timeout }, 'shutting down, waiting for active jobs');
    await jobs.close(timeout);
    const rest = { settings: { delay: 0, timeout: 1_000 }, readinessOff: () => undefined };
    await shutDown({ ...rest, app, closeables, log });
  };
}

function addJobs(
  jobs: JobRunner,
  database: Database,
  settings: Settings,
  sender: WebhookSender,
  log: Logger,
): void {
  const { dataSource } = database;
  const { retention, grafana } = settings;
  const enqueue = (name: string, data: object, options: JobOptions) => jobs.enqueue(name, data, options);
  const { attempts, retry_initial: initialMs, retry_max: maxMs } = settings.webhooks;
  for (const job of housekeepingJobs(dataSource, retention)) jobs.add(job);
  const [relay, deliver] = webhookJobs({
    outbox: new WebhookOutboxTable(dataSource),
    sender,
    retries: { attempts, initialMs, maxMs },
    enqueue,
  });
  jobs.add(deliver);
  jobs.add(relay);
  if (!grafana.url) return;
  const { token, token_file: file } = grafana;
  const [scan, annotate] = annotationJobs({
    url: grafana.url,
    token: token ? new Secret(token, file ? { file, log } : undefined) : undefined,
    changedSince: (since) => deploymentsChangedSince(dataSource, since),
    load: (uuid) => annotatedDeployment(dataSource, uuid),
    enqueue,
  });
  jobs.add(annotate);
  jobs.add(scan);
}
