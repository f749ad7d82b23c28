/** Worker processes on one port: the primary starts and restarts them. */
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client';
import { EXIT } from '../../contract/image.js';
import { backoffMs } from '../backoff.js';
import { ConfigError } from '../config/config-error.js';
import type { Settings } from '../config/schema.js';
import type { Logger } from '../observability/logging/logger.js';
import { metricsHandler } from '../observability/metrics/metrics-server.js';
import { listenForMetrics } from './listen.js';

const STOP = 'pcf: stop';
/** A worker that has served for this time did not fail because of its configuration. */
const STABLE_MS = 10_000;
const BACKOFF = { initialMs: 100, maxMs: 10_000 };

export function workerCount({ server }: Settings): number {
  return server.workers === 0 ? availableParallelism() : server.workers;
}

/** The settings of one of `count` processes, which share the connection budget. */
export function settingsOfWorker(settings: Settings, count: number): Settings {
  const share = Math.floor(settings.database.max_connections / count);
  if (share < 2) {
    const problem = `${settings.database.max_connections} is too low for server.workers = ${count}: each worker requires 2 connections`;
    throw new ConfigError([{ path: 'database.max_connections', problem }]);
  }
  return { ...settings, database: { ...settings.database, max_connections: share } };
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
  count: number,
  asked: Promise<void>,
  log: Logger,
): Promise<number> {
  const crew = new Crew(log);
  const metrics = metricsOf(crew);
  const metricsPort = await listenForMetrics(settings, metrics);
  const refused = crew.start(count);
  log.info({ workers: count, metricsPort }, 'serving with several workers');
  const code = await Promise.race([asked.then(() => EXIT.ok), refused]);
  await crew.stop();
  metrics.close();
  return code;
}

class Crew {
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
function metricsOf(crew: Crew): Server {
  const own = new Registry();
  new Gauge({
    name: 'pcf_api_workers',
    help: 'Number of worker processes.',
    registers: [own],
    collect() {
      this.set(crew.alive);
    },
  });
  new Counter({
    name: 'pcf_api_worker_restarts_total',
    help: 'Restarts of worker processes.',
    registers: [own],
    collect() {
      this.reset();
      this.inc(crew.restarts);
    },
  });
  const all = new AggregatorRegistry();
  const text = async () => `${await all.clusterMetrics()}\n${await own.metrics()}`;
  return createServer(metricsHandler(text, own.contentType));
}

function workers(): Worker[] {
  return Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
}
