/** Runs the jobs of this process: one queue per type of job and version of its payload. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Job, type Queue, UnrecoverableError, WaitingError, Worker } from 'bullmq';
import type { JobPayloads } from '../../contract/image.js';
import { inSpan } from '../../contract/tracing/tracing.js';
import { backoffMs } from '../backoff.js';
import type { Settings } from '../config/schema.js';
import type { Logger } from '../observability/logging/logger.js';
import type { RedisClient } from '../redis/redis.js';
import { HopelessJobError, type JobDefinition, type JobOptions, type Retries } from './job.js';
import type { JobCounts, JobMetrics } from './job-metrics.js';
import { FIRST_VERSION, JOB_PAYLOADS, readableVersions, versionsOf } from './payload-versions.js';
import { enqueue, type JobPayload, openQueue, PREFIX, queueName, queueNames } from './queues.js';

export interface JobRunnerParts {
  redis: RedisClient;
  settings: Settings['worker'];
  metrics: JobMetrics;
  log: Logger;
  /** Default: those of this image. */
  payloads?: JobPayloads;
}

/** Lock duration: a job whose worker terminated is taken over by another worker after this time. */
const LOCK_MS = 15_000;
/** Interval of checks during a shutdown. */
const POLL_MS = 100;
/** How long a shutdown waits for Redis, to record jobs that are done. */
const RECONNECT_MS = 3_000;
/** Maximum number of takeovers per job. A rollout of the workers must not fail a job. */
const MAX_STALLED = 5;
const LONGEST_RETRY_MS = 3_600_000;
/** Time for aborted jobs to be returned to their queue. After it, another worker takes them over once their lock expires. */
const RETURN_MS = 2_000;

interface TypeQueues {
  /** The queue of the version that this image writes. */
  written: Queue<JobPayload>;
  read: Queue<JobPayload>[];
  /** Versions that this image does not read, by the name of their queue. */
  others: Map<string, Queue<JobPayload>>;
}

const COUNTED_STATES = ['waiting', 'active', 'delayed', 'failed'] as const;

export class JobRunner {
  readonly #types = new Map<string, TypeQueues>();
  readonly #retries = new Map<string, Retries>();
  readonly #workers: Worker<JobPayload>[] = [];
  readonly #cutOff = new AbortController();
  /** Number of handlers that run. */
  #active = 0;

  constructor(private readonly parts: JobRunnerParts) {}

  /** All open queues. */
  get queues(): Queue<JobPayload>[] {
    const ofTypes = [...this.#types.values()].flatMap(({ written, read, others }) => [
      written,
      ...read,
      ...others.values(),
    ]);
    return [...new Set(ofTypes)];
  }

  /** Queues a job of a type that was added before. */
  async enqueue(type: string, data: object, options: JobOptions = {}): Promise<void> {
    const queues = this.#types.get(type);
    if (!queues) throw new Error(`unknown job ${type}`);
    const { attempts } = this.#retriesOf(type);
    const version = this.#versionsOf(type).writes;
    const { redis } = this.parts;
    await enqueue(queues.written, data, options, { type, attempts, version, redis });
  }

  add<Data extends object>(definition: JobDefinition<Data>): void {
    const { name: type, every, retries } = definition;
    const { writes } = this.#versionsOf(type);
    // A scheduled job has no payload to read, and one queue, so that two images do not run it twice as often.
    const versions = every ? [FIRST_VERSION] : readableVersions(this.#versionsOf(type));
    const read = versions.map((version) => this.#open(queueName(type, version)));
    const name = queueName(type, every ? FIRST_VERSION : writes);
    const written = read.find((queue) => queue.name === name) ?? this.#open(name);
    this.#types.set(type, { written, read, others: new Map() });
    if (retries) this.#retries.set(type, retries);
    for (const queue of read) this.#workers.push(this.#createWorker(definition, queue.name));
    // Waits for Redis in the background. All workers register the same schedule, and each run is queued
    // once.
    if (every)
      void written
        .upsertJobScheduler(type, { every: every.ms }, { data: { data: {}, trace: {} } })
        .catch((err) => this.parts.log.error({ err, queue: type }, 'scheduling a job failed'));
  }

  /** For the metrics. */
  async counts(): Promise<JobCounts[]> {
    return Promise.all([...this.#types].map(([type, queues]) => this.#countsOf(type, queues)));
  }

  start(): void {
    for (const worker of this.#workers) void worker.run();
  }

  /**
   * Stops taking jobs and waits for the active ones. Jobs that do not finish within `timeoutMs` are aborted and
   * returned to their queue; another worker runs them again. Without a response of Redis and without active jobs it
   * waits three seconds.
   */
  async close(timeoutMs: number): Promise<void> {
    const waiting = new AbortController();
    let isClosed = false;
    try {
      const closed = Promise.all(this.#workers.map((worker) => worker.close())).then(() => {
        isClosed = true;
      });
      const obstacle = await Promise.race([closed, this.#obstacle(timeoutMs, waiting.signal)]);
      if (!obstacle) return;
      this.#cutOff.abort();
      this.parts.log.warn({ obstacle }, 'workers cannot close in time, unfinished jobs will run again');
      await Promise.race([closed, sleep(RETURN_MS, undefined, { ref: false })]);
    } finally {
      waiting.abort();
      this.#cutOff.abort();
      // BullMQ waits for responses of Redis, without a timeout.
      if (!isClosed) this.#disconnect();
      await Promise.all(this.queues.map((queue) => queue.close()));
    }
  }

  /** Why workers cannot close, once that is certain. Redis can recover while a handler runs. */
  async #obstacle(timeoutMs: number, signal: AbortSignal): Promise<string | undefined> {
    const deadline = performance.now() + timeoutMs;
    let respondedAt = performance.now();
    let isAwaited = false;
    const probe = async () => {
      isAwaited = true;
      // A key of the queues: in a Redis Cluster, their node responds.
      await this.parts.redis.exists(PREFIX).catch(() => undefined);
      isAwaited = false;
      respondedAt = performance.now();
    };
    for (;;) {
      await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return undefined;
      const now = performance.now();
      if (now >= deadline) return 'shutdown timeout exceeded';
      if (this.#active > 0) respondedAt = now;
      else if (now - respondedAt >= RECONNECT_MS) return 'Redis is unavailable';
      else if (!isAwaited) void probe();
    }
  }

  #disconnect(): void {
    for (const worker of this.#workers) void worker.disconnect().catch(() => undefined);
  }

  #retriesOf(name: string): Retries {
    const { attempts, retry_initial: initialMs } = this.parts.settings;
    return this.#retries.get(name) ?? { attempts, initialMs, maxMs: LONGEST_RETRY_MS };
  }

  #versionsOf(name: string) {
    return versionsOf(this.parts.payloads ?? JOB_PAYLOADS, name);
  }

  #open(name: string): Queue<JobPayload> {
    const { redis, settings, log } = this.parts;
    const queue = openQueue(name, redis, settings);
    queue.on('error', (error) => log.debug({ err: error, queue: name }, 'queue lost its Redis connection'));
    return queue;
  }

  async #countsOf(type: string, { read, others }: TypeQueues): Promise<JobCounts> {
    for (const name of await queueNames(type, this.parts.redis)) {
      const isRead = read.some((queue) => queue.name === name);
      if (!isRead && !others.has(name)) others.set(name, this.#open(name));
    }
    const sums = await Promise.all([read, [...others.values()]].map(sumOfCounts));
    const [states = {}, { failed: dead = 0, ...pending } = {}] = sums;
    return {
      type,
      // The image that could read a dead letter may no longer run.
      states: { ...states, failed: (states.failed ?? 0) + dead },
      unreadable: Object.values(pending).reduce((sum, jobs) => sum + jobs, 0),
    };
  }

  #createWorker<Data extends object>(definition: JobDefinition<Data>, queue: string): Worker<JobPayload> {
    const { redis, settings, log } = this.parts;
    const { name } = definition;
    const worker = new Worker<JobPayload>(queue, (job, token) => this.#run(definition, job, token), {
      connection: redis as never,
      prefix: PREFIX,
      autorun: false,
      concurrency: settings.concurrency,
      lockDuration: LOCK_MS,
      stalledInterval: LOCK_MS,
      maxStalledCount: MAX_STALLED,
      settings: {
        backoffStrategy: (attempts) => backoffMs(attempts - 1, this.#retriesOf(name)),
      },
    });
    worker.on('error', (error) => log.debug({ err: error, queue: name }, 'worker lost its Redis connection'));
    worker.on('stalled', (id) => log.warn({ queue: name, job: id }, 'job stalled, will run again'));
    worker.on('failed', (job, error) => this.#onFailed(name, job, error));
    return worker;
  }

  async #run<Data extends object>(
    definition: JobDefinition<Data>,
    job: Job<JobPayload>,
    token: string | undefined,
  ): Promise<void> {
    const { metrics, settings } = this.parts;
    const { name } = definition;
    const { version = FIRST_VERSION } = job.data;
    const data = job.repeatJobKey && definition.every ? definition.every.data : (job.data.data as Data);
    const attempt = job.attemptsMade + 1;
    const isLast = attempt >= (job.opts.attempts ?? 1);
    const log = this.parts.log.child({ queue: name, job: job.id, attempt });
    const signal = AbortSignal.any([AbortSignal.timeout(settings.job_timeout), this.#cutOff.signal]);
    const startedAt = performance.now();
    this.#active += 1;
    const done = (outcome: 'ok' | 'error') =>
      metrics.jobDone({ queue: name, outcome }, (performance.now() - startedAt) / 1_000);
    const options = {
      kind: 'consumer' as const,
      parent: job.data.trace,
      attributes: { 'messaging.destination.name': name },
    };
    try {
      await inSpan(`${name} process`, options, () =>
        definition.handle(data, { signal, attempt, isLast, version, log }),
      );
      done('ok');
    } catch (error) {
      if (this.#cutOff.signal.aborted) return returnAborted(job, token);
      done('error');
      if (error instanceof HopelessJobError) throw new UnrecoverableError(error.message);
      throw error;
    } finally {
      this.#active -= 1;
    }
  }

  #onFailed(queue: string, job: Job<JobPayload> | undefined, error: Error): void {
    const isDead = job?.finishedOn !== undefined;
    if (isDead) this.parts.metrics.deadLetter(queue);
    const entry = { err: error, queue, job: job?.id, attempt: job?.attemptsMade };
    if (isDead) this.parts.log.error(entry, 'job failed permanently');
    else this.parts.log.warn(entry, 'job failed, will retry');
  }
}

/** The shutdown is not a failure of the job: the attempt does not count, and another worker can take it at once. */
async function returnAborted(job: Job<JobPayload>, token: string | undefined): Promise<never> {
  await job.moveToWait(token);
  throw new WaitingError();
}

async function sumOfCounts(queues: readonly Queue<JobPayload>[]): Promise<Record<string, number>> {
  const counts = await Promise.all(queues.map((queue) => queue.getJobCounts(...COUNTED_STATES)));
  return Object.fromEntries(
    COUNTED_STATES.map((state) => [state, counts.reduce((sum, count) => sum + (count[state] ?? 0), 0)]),
  );
}
