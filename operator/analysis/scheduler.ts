/**
 * Runs measurements asynchronously to reconciles: a reconcile passes due measurements, returns, and is
 * requeued after a measurement. Results are kept until a later measurement is due, so that a failed write of
 * the status loses no result. After a crash, missing measurements are due again.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Logger } from 'pino';
import { inChildSpan } from '../../contract/tracing/tracing.js';
import type { AnalysisMetrics } from './analysis-metrics.js';
import type { Due, Evaluation, Measurement } from './analysis-model.js';
import { evaluate } from './bounds.js';
import { type Provider, providerType, type Request } from './providers/provider.js';

export interface SchedulerOptions {
  providers: readonly Provider[];
  /** Concurrent measurements per provider, over all PcfApis. */
  concurrency: Record<Provider['type'], number>;
  /** Called after each measurement with the key of its PcfApi. */
  onMeasured: (key: string) => void;
  metrics: AnalysisMetrics;
  logger: Logger;
  /** Milliseconds since the epoch, from the clock of the reconciles. */
  now?: () => number;
}

/**
 * Maximum time in addition to the timeout of a measurement: reading Secrets, creating a Job. Then its slot is
 * released.
 */
const GRACE_MS = 30_000;

interface Task {
  key: string;
  id: string;
  request: Request;
  abort: AbortController;
  /** Runs work in the trace of the reconcile that scheduled the measurement. */
  inTrace: <T>(work: () => T) => T;
  measurement?: Measurement;
}

export class AnalysisScheduler {
  /** By key of the PcfApi, then by metric: one measurement at a time. */
  private readonly tasks = new Map<string, Map<string, Task>>();
  private readonly waiting: Record<Provider['type'], Task[]> = { Prometheus: [], Webhook: [], Job: [] };
  private readonly running: Record<Provider['type'], number> = { Prometheus: 0, Webhook: 0, Job: 0 };
  private readonly reported: Record<Provider['type'], number> = { Prometheus: 0, Webhook: 0, Job: 0 };
  private stopped = false;

  constructor(private readonly options: SchedulerOptions) {}

  /** Results for the revision, oldest first. They can be read repeatedly. */
  finished(key: string, revision: string): Measurement[] {
    const tasks = [...(this.tasks.get(key)?.values() ?? [])];
    return tasks.flatMap(({ request, measurement }) =>
      measurement && request.subject.revision === revision ? [measurement] : [],
    );
  }

  /**
   * Starts due measurements, unless they are in progress or done. A different measurement in progress for the
   * same metric is aborted, and so are measurements of metrics that are not in `planned`.
   */
  schedule(key: string, requests: readonly Request[], planned: readonly string[]): void {
    if (this.stopped) return;
    const tasks = this.tasks.get(key) ?? new Map<string, Task>();
    this.tasks.set(key, tasks);
    for (const name of tasks.keys()) {
      if (!planned.includes(name)) this.drop(tasks, name);
    }
    for (const request of requests) {
      const { name } = request.due;
      const id = idOf(request.subject.revision, request.due);
      const same = tasks.get(name);
      if (same?.id === id) {
        // While it waits for a slot, the weight can change, and with it the start of a sequential test.
        if (this.waiting[providerType(request.metric)].includes(same)) same.request = request;
        continue;
      }
      this.drop(tasks, name);
      const task = { key, id, request, abort: new AbortController(), inTrace: AsyncLocalStorage.snapshot() };
      tasks.set(name, task);
      this.waiting[providerType(request.metric)].push(task);
    }
    this.pump();
  }

  /** The PcfApi was deleted, or has no analysis. */
  forget(key: string): void {
    const tasks = this.tasks.get(key);
    if (!tasks) return;
    for (const name of tasks.keys()) this.drop(tasks, name);
    this.tasks.delete(key);
  }

  /** Aborts everything permanently: this process lost leadership, or is shutting down. */
  stop(): void {
    this.stopped = true;
    for (const key of this.tasks.keys()) this.forget(key);
  }

  private drop(tasks: Map<string, Task>, name: string): void {
    const task = tasks.get(name);
    if (!task) return;
    tasks.delete(name);
    task.abort.abort(new Error('aborted'));
    const provider = providerType(task.request.metric);
    const queue = this.waiting[provider];
    const index = queue.indexOf(task);
    if (index >= 0) queue.splice(index, 1);
    this.reportWaiting(provider);
  }

  private pump(): void {
    for (const provider of this.options.providers) {
      const { type } = provider;
      const queue = this.waiting[type];
      while (this.running[type] < this.options.concurrency[type] && queue.length > 0) {
        void this.run(provider, queue.shift()!);
      }
      this.reportWaiting(type);
    }
  }

  /** As a difference, because several schedulers can share the metric. */
  private reportWaiting(provider: Provider['type']): void {
    const count = this.waiting[provider].length;
    this.options.metrics.waiting.inc({ provider }, count - this.reported[provider]);
    this.reported[provider] = count;
  }

  private async run(provider: Provider, task: Task): Promise<void> {
    const { metrics, now = Date.now } = this.options;
    const labels = { provider: provider.type };
    const { type } = provider;
    this.running[type] += 1;
    metrics.inFlight.inc(labels);
    const end = metrics.duration.startTimer(labels);
    const begunAt = new Date(now()).toISOString();
    // Providers use the wall clock, so the time of the query is wall clock time.
    const request = { ...task.request, at: Date.now() };
    const evaluation = await task.inTrace(() => this.measure(provider, request, task.abort.signal));
    end();
    metrics.inFlight.dec(labels);
    this.running[type] -= 1;
    if (!task.abort.signal.aborted) {
      metrics.measurements.inc({ ...labels, outcome: evaluation.outcome });
      const { due } = task.request;
      task.measurement = { ...due, at: new Date(now()).toISOString(), begunAt, ...evaluation };
      this.options.onMeasured(task.key);
    }
    this.pump();
  }

  /** Never rejects, and never exceeds its timeout even if the provider does. */
  private async measure(provider: Provider, request: Request, signal: AbortSignal): Promise<Evaluation> {
    const { metric } = request;
    const either = AbortSignal.any([signal, AbortSignal.timeout(metric.timeoutMs + GRACE_MS)]);
    const { promise: ended, reject } = Promise.withResolvers<never>();
    const end = () => reject(new Error('timeout of the measurement'));
    either.addEventListener('abort', end, { once: true });
    const attributes = { 'pcf.analysis.metric': metric.name };
    const reading = () =>
      inChildSpan(`measure ${provider.type}`, { kind: 'client', attributes }, () =>
        provider.measure(request, either),
      );
    try {
      return evaluate(metric.spec, await Promise.race([reading(), ended]), request.earlierEvidence);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      const { namespace, name } = request.subject;
      if (!signal.aborted) {
        this.options.logger.info({ namespace, name, metric: metric.name, detail }, 'measurement failed');
      }
      return { outcome: 'Error', detail };
    } finally {
      either.removeEventListener('abort', end);
    }
  }
}

function idOf(revision: string, { name, since, number }: Due): string {
  return JSON.stringify([revision, name, since, number]);
}
