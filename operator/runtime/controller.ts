/** Workers that process the keys of a queue. */
import { setImmediate } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { controllerMetrics, queueMetrics } from './controller-metrics.js';
import { WorkQueue } from './work-queue.js';

/** When a key is requeued after a failure. In milliseconds. */
export interface Return {
  /** Delay until another action for the key is due. */
  lookAgainMs?: number;
  /** Maximum delay of the retry, independent of the number of failures. */
  retryWithinMs?: number;
}

/** A failed reconcile with its requeue times. */
export class ReconcileError extends Error {
  override readonly name: string = 'ReconcileError';
  constructor(
    message: string,
    cause?: unknown,
    readonly comesBack: Return = {},
  ) {
    super(message, { cause });
  }
}

/** A permanent error: the key is not retried until its object changes, or an action is due. */
export class TerminalError extends ReconcileError {
  override readonly name = 'TerminalError';
}

/** Minimum delay of a due action, so that a failing action is not a busy loop. */
const LEAST_DUE_MS = 1_000;

/** A key that is due sooner than this is requeued immediately. */
const IMMEDIATE_MS = 10;

/**
 * This many consecutive immediate requeues are a loop without progress. The backoff of the queue spreads them
 * over about five seconds, so that a delivery with many short steps is not reported.
 */
const LOOP_REQUEUES = 10;

/** Age of a reconcile that counts as hanging. Each request of a reconcile has a shorter timeout. */
const HANGING_MS = 300_000;

export interface ReconcileResult {
  /**
   * Time in milliseconds until the next reconcile without a change. 0 requeues immediately,
   * once: further consecutive ones are delayed with backoff, as controller-runtime does for `Requeue: true`.
   */
  requeueAfterMs?: number;
}

export interface ControllerOptions {
  name: string;
  workers: number;
  /** Reconciles the object of the key. If it throws, the key is retried with backoff. */
  reconcile: (key: string) => Promise<ReconcileResult>;
  logger: Logger;
  registry: Registry;
}

export class Controller {
  readonly queue: WorkQueue;
  private workers: Promise<void>[] = [];
  /** Number of consecutive immediate requeues, by key. */
  private readonly immediate = new Map<string, number>();
  private readonly metrics: ReturnType<typeof controllerMetrics>;

  constructor(private readonly options: ControllerOptions) {
    const { name, registry, workers } = options;
    this.metrics = controllerMetrics(registry);
    this.metrics.maxWorkers.set({ controller: name }, workers);
    const observer = queueMetrics(registry, name, {
      depths: () => this.queue.depths(),
      workingMs: () => this.queue.workingMs(),
    });
    this.queue = new WorkQueue(observer);
  }

  start(): void {
    this.workers = Array.from({ length: this.options.workers }, () => this.work());
  }

  /** Stops taking keys. Resolves when the running reconciles are finished. */
  async stop(): Promise<void> {
    this.queue.close();
    await Promise.all(this.workers);
  }

  /** The error for the liveness probe: a reconcile that hangs, or keys that are requeued without progress. */
  problem(): string | undefined {
    const looping = [...this.immediate].filter(([, times]) => times >= LOOP_REQUEUES).map(([key]) => key);
    if (looping.length > 0) return `reconcile loop without progress: ${looping.slice(0, 3).join(', ')}`;
    const longestMs = Math.max(0, ...this.queue.workingMs());
    return longestMs > HANGING_MS
      ? `a reconcile has been running for ${Math.round(longestMs / 1000)} s`
      : undefined;
  }

  private async work(): Promise<void> {
    for (let key = await this.queue.take(); key !== undefined; key = await this.queue.take()) {
      await this.reconcile(key);
      this.queue.done(key);
      // Reconciles that await only microtasks would starve timers, probes and watches.
      await setImmediate();
    }
  }

  private async reconcile(key: string): Promise<void> {
    const { reconciles, reconcileTime, activeWorkers } = this.metrics;
    const labels = { controller: this.options.name };
    const startedAt = performance.now();
    activeWorkers.inc(labels);
    try {
      const { requeueAfterMs } = await this.options.reconcile(key);
      this.requeue(key, requeueAfterMs);
      reconciles.inc({ ...labels, result: requeueAfterMs === undefined ? 'success' : 'requeue_after' });
    } catch (error) {
      reconciles.inc({ ...labels, result: 'error' });
      this.failed(key, error);
    } finally {
      activeWorkers.dec(labels);
      reconcileTime.observe(labels, (performance.now() - startedAt) / 1000);
    }
  }

  private requeue(key: string, afterMs: number | undefined): void {
    if (afterMs === undefined || afterMs >= IMMEDIATE_MS) {
      this.immediate.delete(key);
      this.queue.forget(key);
      if (afterMs !== undefined) this.queue.addAfter(key, afterMs);
      return;
    }
    const times = (this.immediate.get(key) ?? 0) + 1;
    this.immediate.set(key, times);
    if (times === 1) {
      this.queue.forget(key);
      this.queue.addAfter(key, afterMs);
    } else {
      this.queue.addRateLimited(key);
    }
    if (times === LOOP_REQUEUES) this.options.logger.error({ key }, 'reconcile loop without progress');
  }

  private failed(key: string, error: unknown): void {
    const { name: controller, logger } = this.options;
    this.immediate.delete(key);
    const { lookAgainMs, retryWithinMs } = error instanceof ReconcileError ? error.comesBack : {};
    this.metrics.errors.inc({ controller });
    if (error instanceof TerminalError) {
      this.metrics.terminalErrors.inc({ controller });
      this.queue.forget(key);
      logger.error({ err: error, key }, 'reconcile failed permanently');
    } else {
      const delayMs = Math.round(this.queue.addRateLimited(key, retryWithinMs));
      logger.warn({ err: error, key, delayMs }, 'reconcile failed, retry scheduled');
    }
    if (lookAgainMs !== undefined) this.queue.addAfter(key, Math.max(lookAgainMs, LEAST_DUE_MS), 'low');
  }
}
