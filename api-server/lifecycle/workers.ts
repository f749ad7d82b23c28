/** Worker processes on one port: the primary starts and restarts them. */
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { availableParallelism, cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client';
import { EXIT } from '../../contract/image.js';
import { backoffMs } from '../backoff.js';
import type { Settings } from '../config/schema.js';
import type { Logger } from '../observability/logging/logger.js';
import { metricsHandler } from '../observability/metrics/metrics-server.js';
import { cpuLimit } from './cpu-limit.js';
import { listenForMetrics } from './listen.js';

const STOP = 'pcf: stop';
/** A worker that has served for this time did not fail because of its configuration. */
const STABLE_MS = 10_000;
const BACKOFF = { initialMs: 100, maxMs: 10_000 };

/** One connection is for the monitor of the database, at least one for the pool. */
const CONNECTIONS_PER_WORKER = 2;

export interface WorkerCount {
  /** Number of workers that run. */
  count: number;
  /** Number of workers by `server.workers`. More than `count` when there are too few connections. */
  configured: number;
}

/** `cores` are those of the CPU limit. */
export function workerCount({ server, database }: Settings, cores = coresOfLimit()): WorkerCount {
  const configured = server.workers === 0 ? cores : server.workers;
  const count = Math.min(configured, Math.floor(database.max_connections / CONNECTIONS_PER_WORKER));
  return { configured, count };
}

/** Whole cores: with more workers than CPU time, all of them would be throttled. */
function coresOfLimit(): number {
  const limit = cpuLimit();
  if (limit === undefined) return availableParallelism();
  return Math.max(1, Math.min(Math.floor(limit), cpus().length));
}

/** The settings of one of `count` processes, which share the connection budget. */
export function settingsOfWorker(settings: Settings, count: number): Settings {
  const share = Math.floor(settings.database.max_connections / count);
  return { ...settings, database: { ...settings.database, max_connections: share } };
}

/** Logs that fewer workers run than configured. */
export function reportFewerWorkers(
  { count, configured }: WorkerCount,
  settings: Settings,
  log: Logger,
): void {
  if (count === configured) return;
  const { max_connections: maxConnections } = settings.database;
  log.warn(
    { workers: count, configured, maxConnections, perWorker: CONNECTIONS_PER_WORKER },
    'database.max_connections is too low for all workers, running fewer',
  );
}

/** In a worker: calls `stop` when the primary requests it or exits. */
export function onPrimaryStop(stop: () => void): void {
  if (!cluster.isWorker) return;
  process.on('message', (message) => {
    if (message === STOP) stop();
  });
  process.on('disconnect', stop);
}

/** In a worker: makes its metrics available to the primary. */
export function shareMetrics(registry: Registry): void {
  AggregatorRegistry.setRegistries([registry]);
  new AggregatorRegistry(); // starts to listen to the primary
}

/** Runs the primary until `asked` resolves. Returns the exit code. */
export async function runWorkers(
  settings: Settings,
  { count, configured }: WorkerCount,
  asked: Promise<void>,
  log: Logger,
): Promise<number> {
  const pool = new WorkerPool(log);
  const metrics = metricsOf(pool, configured);
  const metricsPort = await listenForMetrics(settings, metrics);
  const refused = pool.start(count);
  log.info({ workers: count, metricsPort }, 'serving with several workers');
  const code = await Promise.race([asked.then(() => EXIT.ok), refused]);
  await pool.stop();
  metrics.close();
  return code;
}

class WorkerPool {
  restarts = 0;
  #stopping = false;
  #failures = 0;

  constructor(private readonly log: Logger) {}

  get alive(): number {
    return workers().filter((worker) => !worker.isDead()).length;
  }

  /** Resolves with the exit code when a worker rejects its settings, because then none can start. */
  start(count: number): Promise<number> {
    return new Promise((resolve) => {
      cluster.on('exit', (worker, code, signal) => void this.#replace(worker, code, signal, resolve));
      for (let index = 0; index < count; index += 1) this.#fork();
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const ends = workers().map(async (worker) => {
      const ended = once(worker, 'exit');
      if (worker.isConnected()) worker.send(STOP);
      await ended;
    });
    await Promise.all(ends);
  }

  #fork(): void {
    const worker = cluster.fork();
    const timer = setTimeout(() => {
      this.#failures = 0;
    }, STABLE_MS);
    worker.once('exit', () => clearTimeout(timer));
  }

  async #replace(
    worker: Worker,
    code: number,
    signal: string,
    refuse: (code: number) => void,
  ): Promise<void> {
    if (this.#stopping) return;
    if (code === EXIT.config) return refuse(code);
    const delay = backoffMs(this.#failures, BACKOFF);
    this.#failures += 1;
    this.restarts += 1;
    this.log.error(
      { worker: worker.process.pid, code, signal, restartInMs: delay },
      'worker exited, restarting',
    );
    await sleep(delay);
    if (!this.#stopping) this.#fork();
  }
}

/** The aggregated metrics of the workers, and the metrics of the primary. */
function metricsOf(pool: WorkerPool, configured: number): Server {
  const own = new Registry();
  new Gauge({
    name: 'pcf_api_workers',
    help: 'Number of worker processes.',
    registers: [own],
    collect() {
      this.set(pool.alive);
    },
  });
  new Gauge({
    name: 'pcf_api_workers_configured',
    help: 'Number of worker processes by server.workers. Fewer run when database.max_connections is too low.',
    registers: [own],
  }).set(configured);
  new Counter({
    name: 'pcf_api_worker_restarts_total',
    help: 'Restarts of worker processes.',
    registers: [own],
    collect() {
      this.reset();
      this.inc(pool.restarts);
    },
  });
  const all = new AggregatorRegistry();
  const text = async () => `${await all.clusterMetrics()}\n${await own.metrics()}`;
  return createServer(metricsHandler(text, own.contentType));
}

function workers(): Worker[] {
  return Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
}
