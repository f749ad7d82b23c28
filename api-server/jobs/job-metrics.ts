/** Metrics of queues and jobs. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { METRICS } from '../../contract/metrics.js';

const ANSWER_MS = 500;
const BUCKETS = [0.01, 0.05, 0.25, 1, 5, 15, 60];

/** Jobs of a type. */
export interface JobCounts {
  type: string;
  /** Jobs of the payload versions that this image reads, by state; failed ones of all versions. */
  states: Record<string, number>;
  /** Pending jobs of other versions. */
  unreadable: number;
}

export interface JobMetrics {
  jobDone(labels: { queue: string; outcome: 'ok' | 'error' }, seconds: number): void;
  deadLetter(queue: string): void;
}

export function jobMetrics(registry: Registry): JobMetrics {
  const registers = [registry];
  const duration = new Histogram({
    name: METRICS.jobDuration,
    help: 'Duration of jobs in seconds, by queue and outcome.',
    labelNames: ['queue', 'outcome'] as const,
    buckets: BUCKETS,
    registers,
  });
  const dead = new Counter({
    name: 'pcf_api_job_dead_letters_total',
    help: 'Jobs that failed permanently.',
    labelNames: ['queue'] as const,
    registers,
  });
  return {
    jobDone: (labels, seconds) => duration.observe(labels, seconds),
    deadLetter: (queue) => dead.inc({ queue }),
  };
}

/**
 * All workers report the same queues, so aggregate with max and not with sum. Which jobs are unreadable depends on the
 * image. `counts`: undefined while Redis is unavailable.
 */
export function addQueueGauges(registry: Registry, counts: () => Promise<JobCounts[]> | undefined): void {
  const registers = [registry];
  /** Both gauges of a scrape read them once. */
  let counting: Promise<JobCounts[]> | undefined;
  const countOnce = () => {
    counting ??= inTime(counts()).finally(() => {
      counting = undefined;
    });
    return counting;
  };
  new Gauge({
    name: 'pcf_api_jobs',
    help: 'Jobs by state, of the payload versions that this image reads. Failed jobs are dead letters, of all versions. Not reported while Redis is unavailable.',
    labelNames: ['queue', 'state'] as const,
    registers,
    async collect() {
      this.reset();
      for (const { type: queue, states } of await countOnce())
        for (const [state, count] of Object.entries(states)) this.set({ queue, state }, count);
    },
  });
  new Gauge({
    name: 'pcf_api_jobs_unreadable',
    help: 'Pending jobs whose payload version this image cannot read. They wait for a worker of another image.',
    labelNames: ['queue'] as const,
    registers,
    async collect() {
      this.reset();
      for (const { type: queue, unreadable } of await countOnce()) this.set({ queue }, unreadable);
    },
  });
}

/** Empty when Redis does not respond promptly, so that a scrape does not wait for it. */
async function inTime(counts: Promise<JobCounts[]> | undefined): Promise<JobCounts[]> {
  const nothing = new Promise<JobCounts[]>((resolve) => {
    setTimeout(() => resolve([]), ANSWER_MS).unref();
  });
  return Promise.race([counts?.catch(() => []) ?? [], nothing]);
}
