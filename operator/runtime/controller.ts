/** Workers over one queue. Metrics carry controller-runtime's names. */
import type { Logger } from 'pino';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { WorkQueue } from './work-queue.js';

/** Trying again can't mend it: the key rests until something about it changes. */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';
}

export interface ReconcileResult {
  /** Look again after this time though nothing changes. In milliseconds. */
  requeueAfterMs?: number;
}

export interface ControllerOptions {
  name: string;
  workers: number;
  reconcile: (key: string) => Promise<ReconcileResult>;
  logger: Logger;
  registry: Registry;
}

const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export class Controller {
  readonly queue: WorkQueue;
  private workers: Promise<void>[] = [];
  private readonly metrics: ReturnType<typeof controllerMetrics>;

  constructor(private readonly options: ControllerOptions) {
    const { name, registry } = options;
    this.metrics = controllerMetrics(name, registry, () => this.queue.depth);
    const { adds, queueTime, retries } = this.metrics;
    this.queue = new WorkQueue({
      added: () => adds.inc({ name }),
      taken: (waitedMs) => queueTime.observe({ name }, waitedMs / 1000),
      retried: () => retries.inc({ name }),
    });
  }

  start(): void {
    this.workers = Array.from({ length: this.options.workers }, () => this.work());
  }

  /** Takes no further key and resolves once the running reconciles are done. */
  async stop(): Promise<void> {
    this.queue.close();
    await Promise.all(this.workers);
  }

  private async work(): Promise<void> {
    for (let key = await this.queue.take(); key !== undefined; key = await this.queue.take()) {
      await this.reconcile(key);
      this.queue.done(key);
    }
  }

  private async reconcile(key: string): Promise<void> {
    const { name, logger } = this.options;
    const { total, time, active, errors } = this.metrics;
    const labels = { controller: name };
    const startedAt = performance.now();
    active.inc(labels);
    try {
      const { requeueAfterMs } = await this.options.reconcile(key);
      this.queue.forget(key);
      if (requeueAfterMs !== undefined) this.queue.addAfter(key, requeueAfterMs);
      total.inc({ ...labels, result: requeueAfterMs === undefined ? 'success' : 'requeue_after' });
    } catch (error) {
      errors.inc(labels);
      total.inc({ ...labels, result: 'error' });
      if (error instanceof TerminalError) {
        this.queue.forget(key);
        logger.error({ err: error, key }, 'reconcile failed and waits for a change');
      } else {
        const delayMs = Math.round(this.queue.addRateLimited(key));
        logger.warn({ err: error, key, delayMs }, 'reconcile failed and is tried again');
      }
    } finally {
      active.dec(labels);
      time.observe(labels, (performance.now() - startedAt) / 1000);
    }
  }
}

function controllerMetrics(name: string, registry: Registry, depth: () => number) {
  const registers = [registry];
  const byController = ['controller'] as const;
  const byName = ['name'] as const;
  new Gauge({
    name: 'workqueue_depth',
    help: 'Keys that wait for a worker.',
    labelNames: byName,
    registers,
    collect() {
      this.set({ name }, depth());
    },
  });
  return {
    total: new Counter({
      name: 'controller_runtime_reconcile_total',
      help: 'Reconciles by result.',
      labelNames: ['controller', 'result'] as const,
      registers,
    }),
    errors: new Counter({
      name: 'controller_runtime_reconcile_errors_total',
      help: 'Reconciles that failed.',
      labelNames: byController,
      registers,
    }),
    time: new Histogram({
      name: 'controller_runtime_reconcile_time_seconds',
      help: 'How long a reconcile takes.',
      labelNames: byController,
      buckets,
      registers,
    }),
    active: new Gauge({
      name: 'controller_runtime_active_workers',
      help: 'Workers that reconcile now.',
      labelNames: byController,
      registers,
    }),
    adds: new Counter({ name: 'workqueue_adds_total', help: 'Keys added.', labelNames: byName, registers }),
    retries: new Counter({
      name: 'workqueue_retries_total',
      help: 'Keys tried again.',
      labelNames: byName,
      registers,
    }),
    queueTime: new Histogram({
      name: 'workqueue_queue_duration_seconds',
      help: 'How long a key waits for a worker.',
      labelNames: byName,
      buckets,
      registers,
    }),
  };
}
