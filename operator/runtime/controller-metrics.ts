/** Metrics of controllers and their queues, under the names and labels of controller-runtime. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Defines them in the registry: once, so one controller to a registry. */
export function controllerMetrics(registry: Registry) {
  const registers = [registry];
  const byController = { labelNames: ['controller'] as const, registers };
  return {
    reconciles: new Counter({
      name: 'controller_runtime_reconcile_total',
      help: 'Reconciles by result: success, requeue_after or error.',
      labelNames: ['controller', 'result'] as const,
      registers,
    }),
    errors: new Counter({
      name: 'controller_runtime_reconcile_errors_total',
      help: 'Reconciles that failed.',
      ...byController,
    }),
    terminalErrors: new Counter({
      name: 'controller_runtime_terminal_reconcile_errors_total',
      help: 'Reconciles that failed and are not tried again until something changes.',
      ...byController,
    }),
    reconcileTime: new Histogram({
      name: 'controller_runtime_reconcile_time_seconds',
      help: 'How long a reconcile takes.',
      buckets: seconds,
      ...byController,
    }),
    activeWorkers: new Gauge({
      name: 'controller_runtime_active_workers',
      help: 'Workers that reconcile now.',
      ...byController,
    }),
    maxWorkers: new Gauge({
      name: 'controller_runtime_max_concurrent_reconciles',
      help: 'Workers there are.',
      ...byController,
    }),
  };
}

/** What a queue can tell of itself when asked. */
export interface QueueState {
  depths(): Record<string, number>;
  /** How long each worker has been at its key, in milliseconds. */
  workingMs(): number[];
}

/** Defines the metrics of one queue in the registry. `name` is that of its controller. */
export function queueMetrics(registry: Registry, name: string, state: QueueState) {
  const registers = [registry];
  const labels = { name, controller: name };
  const byName = { labelNames: ['name', 'controller'] as const, registers };
  new Gauge({
    name: 'workqueue_depth',
    help: 'Keys that wait for a worker.',
    labelNames: ['name', 'controller', 'priority'] as const,
    registers,
    collect() {
      for (const [priority, depth] of Object.entries(state.depths()))
        this.set({ ...labels, priority }, depth);
    },
  });
  new Gauge({
    name: 'workqueue_unfinished_work_seconds',
    help: 'Time spent on the keys that are being worked on, summed up. Growing steadily: a worker is stuck.',
    ...byName,
    collect() {
      this.set(labels, state.workingMs().reduce((sum, ms) => sum + ms, 0) / 1000);
    },
  });
  new Gauge({
    name: 'workqueue_longest_running_processor_seconds',
    help: 'Time spent on the key that has been worked on the longest.',
    ...byName,
    collect() {
      this.set(labels, Math.max(0, ...state.workingMs()) / 1000);
    },
  });
  const adds = new Counter({ name: 'workqueue_adds_total', help: 'Keys added.', ...byName });
  const retries = new Counter({ name: 'workqueue_retries_total', help: 'Keys tried again.', ...byName });
  const queueTime = new Histogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'How long a key waits for a worker.',
    buckets: seconds,
    ...byName,
  });
  const workTime = new Histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'How long a worker has a key.',
    buckets: seconds,
    ...byName,
  });
  return {
    added: () => adds.inc(labels),
    retried: () => retries.inc(labels),
    taken: (waitedMs: number) => queueTime.observe(labels, waitedMs / 1000),
    done: (workedMs: number) => workTime.observe(labels, workedMs / 1000),
  };
}

/** Defines the metrics of the API client in the registry. */
export function clientMetrics(registry: Registry, host: string) {
  const registers = [registry];
  const requests = new Counter({
    name: 'rest_client_requests_total',
    help: 'Requests to the API server by method and HTTP code; `<error>` when there was no answer.',
    labelNames: ['method', 'code', 'host'] as const,
    registers,
  });
  const duration = new Histogram({
    name: 'rest_client_request_duration_seconds',
    help: 'Time until the API server began to answer, by method.',
    labelNames: ['verb', 'host'] as const,
    buckets: seconds,
    registers,
  });
  const limited = new Histogram({
    name: 'rest_client_rate_limiter_duration_seconds',
    help: 'How long requests waited for --kube-api-qps.',
    labelNames: ['host'] as const,
    buckets: seconds,
    registers,
  });
  return {
    requested(method: string, status: number | 'error', durationMs: number): void {
      requests.inc({ method, code: status === 'error' ? '<error>' : String(status), host });
      duration.observe({ verb: method, host }, durationMs / 1000);
    },
    throttled: (waitedMs: number) => limited.observe({ host }, waitedMs / 1000),
  };
}

/** Defines the metric of leader election in the registry. */
export function leaderMetrics(registry: Registry, name: string, isLeader: () => boolean): void {
  new Gauge({
    name: 'leader_election_master_status',
    help: '1 while this process leads, 0 while it stands by.',
    labelNames: ['name'] as const,
    registers: [registry],
    collect() {
      this.set({ name }, isLeader() ? 1 : 0);
    },
  });
}
