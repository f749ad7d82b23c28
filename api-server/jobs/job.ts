/** Definition of jobs, independent of the queue. */
import type { Backoff } from '../backoff.js';
import type { Logger } from '../observability/logging/logger.js';

export interface JobContext {
  /** Aborted at the timeout of the job and at the shutdown of the worker. */
  signal: AbortSignal;
  /** 1 for the first attempt. */
  attempt: number;
  /** Whether the job becomes a dead letter when this attempt fails. */
  isLast: boolean;
  /** Version of its payload, see payload-versions.ts. Undefined for a job that is not queued. */
  version?: number;
  log: Logger;
}

/**
 * Jobs run at least once: when a worker terminates or aborts a job, another one runs it again. They
 * must be idempotent.
 */
export interface JobDefinition<Data extends object = object> {
  /** Name of the job and of its queue: lower-case words with hyphens. */
  name: string;
  /** Number of attempts and delays. The default is the settings of the worker. */
  retries?: Retries;
  /** Schedule of a repeated job, with its data. */
  every?: { ms: number; data: Data };
  handle(data: Data, context: JobContext): Promise<void>;
}

export interface Retries extends Backoff {
  attempts: number;
}

/** Options for queueing a job. */
export interface JobOptions {
  /** A job with an existing ID is not queued. */
  id?: string;
  /** Queue it even if a finished or failed job with this ID exists. */
  again?: boolean;
  /** W3C headers of the trace to which it belongs. The default is the active trace. */
  trace?: Record<string, string>;
}

/** A retry cannot succeed: the job becomes a dead letter immediately. */
export class HopelessJobError extends Error {
  override readonly name = 'HopelessJobError';
}
