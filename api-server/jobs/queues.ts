/**
 * BullMQ queues with shared options. Each payload version of a type of job has a queue of its own, so that a worker
 * takes no job that it cannot read, however many there are: they would delay those that it can.
 */
import { Queue, type JobsOptions as QueueOptions } from 'bullmq';
import { traceHeaders } from '../../contract/tracing/tracing.js';
import type { Settings } from '../config/schema.js';
import type { RedisClient } from '../redis/redis.js';
import type { JobOptions } from './job.js';
import { FIRST_VERSION } from './payload-versions.js';

/** The hash tag keeps all keys of a queue in one slot of a Redis Cluster. */
export const PREFIX = '{pcf}:jobs';
/** A set: names of the queues of later versions. An image does not know those of newer images. */
const LATER_QUEUES = `${PREFIX}:later-versions`;

/** Retention of completed jobs, so that a job that is queued twice runs once. */
const KEEP_DONE_SECONDS = 3_600;

export interface JobPayload {
  data: object;
  /** W3C headers of the trace that queued it. */
  trace: Record<string, string>;
  /** Version of `data`, see payload-versions.ts. Undefined: 1. */
  version?: number;
}

/** Jobs of the first version are in the queue that has the name of their type, like those of images without versions. */
export function queueName(type: string, version: number): string {
  return version === FIRST_VERSION ? type : `${type}.v${version}`;
}

/** Names of all queues of a type in Redis. */
export async function queueNames(type: string, redis: RedisClient): Promise<string[]> {
  const later = await redis.smembers(LATER_QUEUES);
  return [type, ...later.filter((name) => name.startsWith(`${type}.v`)).sort()];
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
  { type, attempts, version, redis }: { type: string; attempts: number; version: number; redis: RedisClient },
): Promise<void> {
  // BullMQ reserves the colon in job IDs.
  const jobId = id?.replaceAll(':', '.');
  if (jobId && again) await forgetEnded(queue, jobId);
  // Before the job, so that a job is never in a queue that no other image finds.
  if (version !== FIRST_VERSION) await redis.sadd(LATER_QUEUES, queue.name);
  await queue.add(type, { data, trace, version }, { attempts, ...(jobId && { jobId }) });
}

/** Waiting and active jobs are not removed. */
async function forgetEnded(queue: Queue<JobPayload>, jobId: string): Promise<void> {
  const job = await queue.getJob(jobId);
  if (job && ((await job.isFailed()) || (await job.isCompleted()))) await job.remove();
}
