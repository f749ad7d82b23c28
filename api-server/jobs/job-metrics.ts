/** Metrics of queues and jobs. */
import type { Queue } from 'bullmq';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { METRICS } from '../../contract/metrics.js';
import type { JobPayload } from './queues.js';

const ANSWER_MS = 500;
const BUCKETS = [0.01, 0.05, 0.25, 1, 5, 15, 60];

export interface JobMetrics {
  jobDone(labels: { queue: string; outcome: 'ok' | 'error' }, seconds: number): void;
  deadLetter(queue: string): void;
  jobUnreadable(queue: string): void;
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
  const unreadable = new Counter({
    name: 'pcf_api_jobs_unreadable_total',
    help: 'Jobs returned to their queue because this image cannot read the version of their payload.',
    labelNames: ['queue'] as const,
    registers,
  });
  return {
    jobDone: (labels, seconds) => duration.observe(labels, seconds),
    deadLetter: (queue) => dead.inc({ queue }),
    jobUnreadable: (queue) => unreadable.inc({ queue }),
  };
}

/** All workers report the same queues, so aggregate with max and not with sum. */
export function addQueueGauges(
  registry: Registry,
  queues: () => Queue<JobPayload>[],
  isReady: () => boolean,
): void {
  new Gauge({
    name: 'pcf_api_jobs',
    help: 'Jobs in the queues by state; failed jobs are dead letters. Not reported while Redis is unavailable.',
    labelNames: ['queue', 'state'] as const,
    registers: [registry],
    async collect() {
      this.reset();
      if (!isReady()) return;
      await Promise.all(
        queues().map(async (queue) => {
          const counts = await countsOf(queue);
          for (const [state, count] of Object.entries(counts)) this.set({ queue: queue.name, state }, count);
        }),
      );
    },
  });
}

/** Empty when Redis does not respond promptly, so that a scrape does not wait for it. */
async function countsOf(queue: Queue<JobPayload>): Promise<Record<string, number>> {
  const counts = queue.getJobCounts('waiting', 'active', 'delayed', 'failed').catch(() => ({}));
  const nothing = new Promise<Record<string, number>>((resolve) => {
    setTimeout(() => resolve({}), ANSWER_MS).unref();
  });
  return Promise.race([counts, nothing]);
}
