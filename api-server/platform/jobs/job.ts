/** What a job is, without a word of how it is queued. */
import type { Backoff } from '../backoff.js';
import type { Logger } from '../logging/logger.js';

export interface JobContext {
  /** Fires when the job takes too long, or the worker must end now. */
  signal: AbortSignal;
  /** 1 the first time. */
  attempt: number;
  /** Whether it is a dead letter when this attempt fails. */
  isLast: boolean;
  log: Logger;
}

/**
 * Work that is done at least once: a worker that dies midway, or is cut off, leaves
 * it to another one. So doing it twice must be the same as doing it once.
 */
export interface JobDefinition<Data extends object = object> {
  /** Also the name of its queue: lower-case words with dashes. */
  name: string;
  /** How often it is tried and how long is waited in between; as in the settings of the worker when left out. */
  retries?: Retries;
  /** When it runs by itself, with this data. */
  every?: { ms: number; data: Data };
  handle(data: Data, context: JobContext): Promise<void>;
}

export interface Retries extends Backoff {
  attempts: number;
}

/** How a job is put into its queue. */
export interface JobOptions {
  /** With one that is known already, nothing happens. */
  id?: string;
  /** Put it in even if a job with this id has ended, a dead letter for instance. */
  again?: boolean;
  /** W3C headers of the trace it belongs to; the running one when left out. */
  trace?: Record<string, string>;
}

/** Trying again would not help: the job is a dead letter at once. */
export class HopelessJobError extends Error {
  override readonly name = 'HopelessJobError';
}
