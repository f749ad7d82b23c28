/**
 * Takes measurements beside the reconciles: a reconcile hands in what is due, continues,
 * and comes back when it is told that something was measured. What was measured stays
 * here until a later one is due, so a status that could not be written loses nothing;
 * a process that dies loses only what is then due again.
 */
import type { Logger } from 'pino';
import type { AnalysisMetrics } from './analysis-metrics.js';
import type { Due, Measurement } from './analysis-model.js';
import { type Evaluation, evaluate } from './bounds.js';
import { type Provider, providerType, type Request } from './providers/provider.js';

export interface SchedulerOptions {
  providers: readonly Provider[];
  /** Measurements of one provider taken at a time, over all PcfApis. */
  concurrency: Record<Provider['type'], number>;
  /** Told after each measurement, with the key of its PcfApi. */
  onMeasured: (key: string) => void;
  metrics: AnalysisMetrics;
  logger: Logger;
  /** Milliseconds since the epoch, by the clock that the looks go by. */
  now?: () => number;
}

/** What a measurement may take beyond its timeout: Secrets to read, a Job to create. Nothing holds a place for longer. */
const GRACE_MS = 30_000;

interface Task {
  key: string;
  id: string;
  request: Request;
  abort: AbortController;
  measurement?: Measurement;
}

export class AnalysisScheduler {
  /** By key of the PcfApi, then by metric: one at a time. */
  private readonly tasks = new Map<string, Map<string, Task>>();
  private readonly waiting: Record<Provider['type'], Task[]> = { Prometheus: [], Webhook: [], Job: [] };
  private readonly running: Record<Provider['type'], number> = { Prometheus: 0, Webhook: 0, Job: 0 };
  private stopped = false;

  constructor(private readonly options: SchedulerOptions) {}

  /** Measurements that were taken for the revision, oldest tasks first. They may be told of any number of times. */
  finished(key: string, revision: string): Measurement[] {
    const tasks = [...(this.tasks.get(key)?.values() ?? [])];
    return tasks.flatMap(({ request, measurement }) =>
      measurement && request.subject.revision === revision ? [measurement] : [],
    );
  }

  /**
   * Takes what is due, unless it is being taken or was taken already. What is under way
   * for the same metric and is another measurement is aborted, as is everything of a
   * metric that is not among `planned`.
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
      if (tasks.get(name)?.id === id) continue;
      this.drop(tasks, name);
      const task = { key, id, request, abort: new AbortController() };
      tasks.set(name, task);
      this.waiting[providerType(request.metric)].push(task);
    }
    this.pump();
  }

  /** The PcfApi is gone, or nothing of it is to be measured. */
  forget(key: string): void {
    const tasks = this.tasks.get(key);
    if (!tasks) return;
    for (const name of tasks.keys()) this.drop(tasks, name);
    this.tasks.delete(key);
  }

  /** Gives everything up, for good: this process leads no more, or ends. */
  stop(): void {
    this.stopped = true;
    for (const key of this.tasks.keys()) this.forget(key);
  }

  private drop(tasks: Map<string, Task>, name: string): void {
    const task = tasks.get(name);
    if (!task) return;
    tasks.delete(name);
    task.abort.abort(new Error('given up'));
    const provider = providerType(task.request.metric);
    const queue = this.waiting[provider];
    const index = queue.indexOf(task);
    if (index >= 0) queue.splice(index, 1);
    this.options.metrics.waiting.set({ provider }, queue.length);
  }

  private pump(): void {
    for (const provider of this.options.providers) {
      const { type } = provider;
      const queue = this.waiting[type];
      while (this.running[type] < this.options.concurrency[type] && queue.length > 0) {
        void this.run(provider, queue.shift()!);
      }
      this.options.metrics.waiting.set({ provider: type }, queue.length);
    }
  }

  private async run(provider: Provider, task: Task): Promise<void> {
    const { metrics, now = Date.now } = this.options;
    const labels = { provider: provider.type };
    const { type } = provider;
    this.running[type] += 1;
    metrics.inFlight.inc(labels);
    const end = metrics.duration.startTimer(labels);
    const begunAt = new Date(now()).toISOString();
    // What is asked for goes by the clock on the wall, as those do who are asked.
    const request = { ...task.request, at: Date.now() };
    const evaluation = await this.measure(provider, request, task.abort.signal);
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

  /** Never rejects, and never outlasts its time even if the provider does. */
  private async measure(provider: Provider, request: Request, signal: AbortSignal): Promise<Evaluation> {
    const { metric } = request;
    const either = AbortSignal.any([signal, AbortSignal.timeout(metric.timeoutMs + GRACE_MS)]);
    const { promise: ended, reject } = Promise.withResolvers<never>();
    const end = () => reject(new Error('no answer in time'));
    either.addEventListener('abort', end, { once: true });
    try {
      return evaluate(metric.spec, await Promise.race([provider.measure(request, either), ended]));
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
