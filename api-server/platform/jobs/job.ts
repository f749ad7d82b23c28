/** What a job is, without a word of how it is queued. */
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
  /** When it runs by itself, with this data. */
  every?: { ms: number; data: Data };
  handle(data: Data, context: JobContext): Promise<void>;
}

/** Trying again would not help: the job is a dead letter at once. */
export class HopelessJobError extends Error {
  override readonly name = 'HopelessJobError';
}
