/** Runs the jobs of this process: one queue per kind of job. */
import { setTimeout as sleep } from 'node:timers/promises';
import { DelayedError, type Job, type Queue, UnrecoverableError, WaitingError, Worker } from 'bullmq';
import type { JobPayloads } from '../../contract/image.js';
import { inSpan } from '../../contract/tracing/tracing.js';
import { type Backoff, backoffMs } from '../backoff.js';
import type { Settings } from '../config/schema.js';
import type { Logger } from '../observability/logging/logger.js';
import { type RedisClient, redisState } from '../redis/redis.js';
import { HopelessJobError, type JobDefinition, type JobOptions, type Retries } from './job.js';
import type { JobMetrics } from './job-metrics.js';
import { canRead, FIRST_VERSION, JOB_PAYLOADS, versionsOf } from './payload-versions.js';
import { enqueue, type JobPayload, openQueue, PREFIX } from './queues.js';

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
/**
 * A job that this image cannot read is returned at once this many times, so that it passes through the idle workers:
 * Redis gives it to the one that has waited longest. A delayed job would be taken by the same worker again. After
 * that it is delayed, longer each time, in case no worker can read it.
 */
const RETURNS_AT_ONCE = 10;
const UNREADABLE_DELAY: Backoff = { initialMs: 500, maxMs: 60_000 };
/** Time for another worker to take a returned job, before this one takes its next job. */
const HAND_OVER_MS = 20;
/** Time for aborted jobs to be returned to their queue. After it, another worker takes them over once their lock expires. */
const RETURN_MS = 2_000;

export class JobRunner {
  readonly #queues = new Map<string, Queue<JobPayload>>();
  readonly #retries = new Map<string, Retries>();
  readonly #workers: Worker<JobPayload>[] = [];
  readonly #cutOff = new AbortController();
  /** Number of handlers that run. */
  #active = 0;

  constructor(private readonly parts: JobRunnerParts) {}

  /** The queues, for the metrics. */
  get queues(): Queue<JobPayload>[] {
    return [...this.#queues.values()];
  }

  /** Queues a job of a kind that was added before. */
  async enqueue(name: string, data: object, options: JobOptions = {}): Promise<void> {
    const queue = this.#queues.get(name);
    if (!queue) throw new Error(`unknown job ${name}`);
    const { attempts } = this.#retriesOf(name);
    await enqueue(queue, data, options, { attempts, version: this.#versionsOf(name).writes });
  }

  add<Data extends object>(definition: JobDefinition<Data>): void {
    const { redis, settings, log } = this.parts;
    const { name, every } = definition;
    const queue = openQueue(name, redis, settings);
    queue.on('error', (error) => log.debug({ err: error, queue: name }, 'queue lost its Redis connection'));
    this.#queues.set(name, queue);
    if (definition.retries) this.#retries.set(name, definition.retries);
    this.#workers.push(this.#createWorker(definition));
    // Waits for Redis in the background. All workers register the same schedule, and each run is queued
    // once.
    if (every)
      void this.#schedule(queue, every).catch((err) =>
        log.error({ err, queue: name }, 'scheduling a job failed'),
      );
  }

  start(): void {
    for (const worker of this.#workers) void worker.run();
  }

  /**
   * Stops taking jobs and waits for the active ones. Jobs that do not finish within `timeoutMs` are aborted and
   * returned to their queue; another worker runs them again. Without Redis and without active jobs it waits three
   * seconds.
   */
  async close(timeoutMs: number): Promise<void> {
    const closed = Promise.all(this.#workers.map((worker) => worker.close())).then(() => undefined);
    const waiting = new AbortController();
    const obstacle = await Promise.race([closed, this.#obstacle(timeoutMs, waiting.signal)]);
    waiting.abort();
    if (obstacle) {
      this.parts.log.warn({ obstacle }, 'workers cannot close in time, unfinished jobs will run again');
      this.#cutOff.abort();
      const isClosed = await Promise.race([closed.then(() => true), sleep(RETURN_MS, false, { ref: false })]);
      // BullMQ waits for responses of Redis, without a timeout.
      if (!isClosed) return this.#disconnect();
    }
    await Promise.all(this.queues.map((queue) => queue.close()));
  }

  /** Why workers cannot close, once that is certain. Redis can recover while a handler runs. */
  async #obstacle(timeoutMs: number, signal: AbortSignal): Promise<string | undefined> {
    const deadline = performance.now() + timeoutMs;
    let lostAt: number | undefined;
    for (;;) {
      await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return undefined;
      const now = performance.now();
      if (now >= deadline) return 'shutdown timeout exceeded';
      const isLost = this.#active === 0 && redisState(this.parts.redis) !== 'ready';
      lostAt = isLost ? (lostAt ?? now) : undefined;
      if (lostAt !== undefined && now - lostAt >= RECONNECT_MS) return 'Redis is unavailable';
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

  async #schedule(queue: Queue<JobPayload>, { ms, data }: { ms: number; data: object }): Promise<void> {
    const version = this.#versionsOf(queue.name).writes;
    await queue.upsertJobScheduler(queue.name, { every: ms }, { data: { data, trace: {}, version } });
  }

  #createWorker<Data extends object>(definition: JobDefinition<Data>): Worker<JobPayload> {
    const { redis, settings, log } = this.parts;
    const { name } = definition;
    const worker = new Worker<JobPayload>(name, (job, token) => this.#run(definition, job, token), {
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
    if (!canRead(this.#versionsOf(name), version)) return this.#returnUnreadable(job, token);
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
        definition.handle(job.data.data as Data, { signal, attempt, isLast, version, log }),
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

  /** A worker of another revision may read it: the attempt does not count, and the job never fails. */
  async #returnUnreadable(job: Job<JobPayload>, token: string | undefined): Promise<never> {
    const { metrics, log } = this.parts;
    metrics.jobUnreadable(job.queueName);
    const entry = { queue: job.queueName, job: job.id, version: job.data.version };
    log.debug(entry, 'returned a job whose payload version this image cannot read');
    const returns = job.attemptsStarted - job.attemptsMade;
    if (returns % RETURNS_AT_ONCE === 0) {
      const delayMs = backoffMs(returns / RETURNS_AT_ONCE - 1, UNREADABLE_DELAY);
      await job.moveToDelayed(Date.now() + delayMs, token);
      throw new DelayedError();
    }
    await job.moveToWait(token);
    await sleep(HAND_OVER_MS);
    throw new WaitingError();
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
