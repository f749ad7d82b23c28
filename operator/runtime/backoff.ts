/** Exponential backoff with jitter. Times are in milliseconds. */
export interface BackoffPolicy {
  baseMs: number;
  maxMs: number;
  /** Share of the delay that is random, 0 to 1: clients that failed together should not come back together. */
  jitter: number;
}

/** Delay before try number `failures` (1 after the first failure). */
export function backoffMs(
  failures: number,
  { baseMs, maxMs, jitter }: BackoffPolicy,
  random = Math.random,
): number {
  const delay = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 40));
  return delay * (1 - jitter * random());
}
