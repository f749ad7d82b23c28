/** BullMQ's queues, set up the same way wherever they are used. */
import { type JobsOptions, Queue } from 'bullmq';
import type { Settings } from '../../config/schema.js';
import type { RedisClient } from '../redis/redis.js';
import { traceHeaders } from '../tracing/tracing.js';

/** In braces, so that all keys of a queue are in one slot of a cluster. */
export const PREFIX = '{pcf}:jobs';

/** Done jobs are remembered that long, so that one that is put in twice is done once. */
const KEEP_DONE_SECONDS = 3_600;

export interface JobPayload {
  data: object;
  /** W3C headers of the trace that put it in. */
  trace: Record<string, string>;
}

export function openQueue(name: string, redis: RedisClient, settings: Settings['worker']): Queue<JobPayload> {
  return new Queue<JobPayload>(name, {
    connection: redis as never,
    prefix: PREFIX,
    defaultJobOptions: jobOptions(settings),
    skipMetasUpdate: true,
  });
}

function jobOptions({ attempts, keep_dead_letters: keep }: Settings['worker']): JobsOptions {
  return {
    attempts,
    backoff: { type: 'custom' },
    removeOnComplete: { age: KEEP_DONE_SECONDS, count: 10_000 },
    removeOnFail: { age: keep / 1_000 },
  };
}

/** Puts a job in; with an `id` that is known already, nothing happens. */
export async function enqueue(queue: Queue<JobPayload>, data: object, id?: string): Promise<void> {
  // BullMQ keeps the colon for itself.
  const jobId = id?.replaceAll(':', '.');
  await queue.add(queue.name, { data, trace: traceHeaders() }, jobId ? { jobId } : {});
}
