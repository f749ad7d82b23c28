/** BullMQ queues with shared options. */
import { Queue, type JobsOptions as QueueOptions } from 'bullmq';
import { traceHeaders } from '../../contract/tracing/tracing.js';
import type { Settings } from '../config/schema.js';
import type { RedisClient } from '../redis/redis.js';
import type { JobOptions } from './job.js';

/** The hash tag keeps all keys of a queue in one slot of a Redis Cluster. */
export const PREFIX = '{pcf}:jobs';

/** Retention of completed jobs, so that a job that is queued twice runs once. */
const KEEP_DONE_SECONDS = 3_600;

export interface JobPayload {
  data: object;
  /** W3C headers of the trace that queued it. */
  trace: Record<string, string>;
  /** Version of `data`, see payload-versions.ts. Undefined: 1. */
  version?: number;
}

export function openQueue(name: string, redis: RedisClient, settings: Settings['worker']): Queue<JobPayload> {
  return new Queue<JobPayload>(name, {
    connection: redis as never,
    prefix: PREFIX,
    defaultJobOptions: jobOptions(settings),
    skipMetasUpdate: true,
  });
}

function jobOptions({ attempts, keep_dead_letters: keep }: Settings['worker']): QueueOptions {
  return {
    attempts,
    backoff: { type: 'custom' },
    removeOnComplete: { age: KEEP_DONE_SECONDS, count: 10_000 },
    removeOnFail: { age: keep / 1_000 },
  };
}

export async function enqueue(
  queue: Queue<JobPayload>,
  data: object,
  { id, again = false, trace = traceHeaders() }: JobOptions,
  { attempts, version }: { attempts: number; version: number },
): Promise<void> {
  // BullMQ reserves the colon in job IDs.
  const jobId = id?.replaceAll(':', '.');
  if (jobId && again) await forgetEnded(queue, jobId);
  await queue.add(queue.name, { data, trace, version }, { attempts, ...(jobId && { jobId }) });
}

/** Waiting and active jobs are not removed. */
async function forgetEnded(queue: Queue<JobPayload>, jobId: string): Promise<void> {
  const job = await queue.getJob(jobId);
  if (job && ((await job.isFailed()) || (await job.isCompleted()))) await job.remove();
}
