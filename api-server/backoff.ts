export interface Backoff {
  initialMs: number;
  maxMs: number;
}

/**
 * Delay after a number of consecutive failures (0 = the first one), in milliseconds. It doubles
 * from `initialMs` up to `maxMs`. A jitter of 20 % keeps processes from retrying at the same time.
 */
export function backoffMs(failures: number, { initialMs, maxMs }: Backoff, random = Math.random): number {
  const exponential = Math.min(maxMs, initialMs * 2 ** Math.min(failures, 30));
  return Math.min(maxMs, Math.round(exponential * (0.8 + random() * 0.4)));
}
