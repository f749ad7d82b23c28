/** Exponential backoff with jitter. Times are in milliseconds. */
export interface BackoffPolicy {
  baseMs: number;
  maxMs: number;
  /** Random share of the delay, from 0 to 1: clients that failed together should not retry together. */
  jitter: number;
}

/** Delay after `failures` consecutive failures. */
export function backoffMs(
  failures: number,
  { baseMs, maxMs, jitter }: BackoffPolicy,
  random = Math.random,
): number {
  const delay = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 40));
  return delay * (1 - jitter * random());
}
