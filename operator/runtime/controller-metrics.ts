/** Metrics of controllers and their queues, under the names and labels of controller-runtime. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Registers the metrics of a controller. A registry can have one controller. */
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
      help: 'Reconciles that failed and are not retried until the object changes.',
      ...byController,
    }),
    reconcileTime: new Histogram({
      name: 'controller_runtime_reconcile_time_seconds',
      help: 'Duration of a reconcile.',
      buckets: seconds,
      ...byController,
    }),
    activeWorkers: new Gauge({
      name: 'controller_runtime_active_workers',
      help: 'Active workers.',
      ...byController,
    }),
    maxWorkers: new Gauge({
      name: 'controller_runtime_max_concurrent_reconciles',
      help: 'Maximum number of concurrent workers.',
      ...byController,
    }),
  };
}

/** The state of a work queue that is exported as metrics. */
export interface QueueState {
  depths(): Record<string, number>;
  /** Time that each active worker has spent on its key, in milliseconds. */
  workingMs(): number[];
}

/** Registers the metrics of a work queue. `name` is the name of its controller. */
export function queueMetrics(registry: Registry, name: string, state: QueueState) {
  const registers = [registry];
  const labels = { name, controller: name };
  const byName = { labelNames: ['name', 'controller'] as const, registers };
  new Gauge({
    name: 'workqueue_depth',
    help: 'Keys in the queue, by priority.',
    labelNames: ['name', 'controller', 'priority'] as const,
    registers,
    collect() {
      for (const [priority, depth] of Object.entries(state.depths()))
        this.set({ ...labels, priority }, depth);
    },
  });
  new Gauge({
    name: 'workqueue_unfinished_work_seconds',
    help: 'Total time that active workers have spent on their keys. A steady increase indicates a stuck worker.',
    ...byName,
    collect() {
      this.set(labels, state.workingMs().reduce((sum, ms) => sum + ms, 0) / 1000);
    },
  });
  new Gauge({
    name: 'workqueue_longest_running_processor_seconds',
    help: 'Time that the longest-running worker has spent on its key.',
    ...byName,
    collect() {
      this.set(labels, Math.max(0, ...state.workingMs()) / 1000);
    },
  });
  const adds = new Counter({ name: 'workqueue_adds_total', help: 'Keys added to the queue.', ...byName });
  const retries = new Counter({
    name: 'workqueue_retries_total',
    help: 'Keys retried after a failure.',
    ...byName,
  });
  const queueTime = new Histogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'Time that a key waits in the queue.',
    buckets: seconds,
    ...byName,
  });
  const workTime = new Histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'Time that a worker needs to process a key.',
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

/** Registers the metrics of the client of the API server. */
export function clientMetrics(registry: Registry, host: string) {
  const registers = [registry];
  const requests = new Counter({
    name: 'rest_client_requests_total',
    help: 'Requests to the API server by method and HTTP code; `<error>` without a response.',
    labelNames: ['method', 'code', 'host'] as const,
    registers,
  });
  const duration = new Histogram({
    name: 'rest_client_request_duration_seconds',
    help: 'Time until the response headers of the API server, by method.',
    labelNames: ['verb', 'host'] as const,
    buckets: seconds,
    registers,
  });
  const limited = new Histogram({
    name: 'rest_client_rate_limiter_duration_seconds',
    help: 'Time that requests waited for the client-side rate limit (--kube-api-qps).',
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

/** Registers the metric of leader election. `states`: whether this process is the leader, by the name of the Lease. */
export function leaderMetrics(registry: Registry, states: () => Iterable<[name: string, isLeader: boolean]>) {
  new Gauge({
    name: 'leader_election_master_status',
    help: '1 if this process is the leader, 0 if it is on standby.',
    labelNames: ['name'] as const,
    registers: [registry],
    collect() {
      for (const [name, isLeader] of states()) this.set({ name }, isLeader ? 1 : 0);
    },
  });
}
