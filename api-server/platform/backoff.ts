export interface Backoff {
  initialMs: number;
  maxMs: number;
}

/**
 * How long to wait after that many failures in a row (0 = the first), in ms:
 * doubling from `initialMs`, never above `maxMs`. The jitter of a fifth keeps
 * many processes from coming back in step.
 */
export function backoffMs(failures: number, { initialMs, maxMs }: Backoff, random = Math.random): number {
  const exponential = Math.min(maxMs, initialMs * 2 ** Math.min(failures, 30));
  return Math.min(maxMs, Math.round(exponential * (0.8 + random() * 0.4)));
}
