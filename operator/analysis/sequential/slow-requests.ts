/**
 * Latency as a share of requests: those above a boundary of the histogram next to the percentile of the stable
 * revision. The boundary is chosen by counts from before the step, so it does not depend on what is tested.
 */
import type { OperationCounts } from './revision-counts.js';

export interface Boundary {
  /** Requests above it are counted as slow. In seconds. */
  seconds: number;
  /** Increase of the share of slow requests when all requests become slower by `slowdown`. */
  effect: number;
}

/**
 * The boundaries below and above the percentile; the nearer one first. Empty without requests in the histogram.
 * `slowdown`: relative increase of the latency. The effect is at least that of a tail that is inversely
 * proportional to the latency, at the percentile: with no request near the boundary it would be 0. It is at most
 * half of the share of fast requests: a greater increase could not be detected.
 */
export function boundaries(
  { totalRequests, totalBuckets }: OperationCounts,
  percentile: number,
  slowdown: number,
): Boundary[] {
  if (totalRequests === 0) return [];
  const points = survival(totalRequests, totalBuckets);
  const slow = 1 - percentile / 100;
  const above = points.findIndex(({ share }) => share <= slow);
  const around = [points[above < 0 ? points.length - 1 : above - 1], above < 0 ? undefined : points[above]];
  return around
    .filter((point) => point !== undefined)
    .toSorted((a, b) => distance(a.share, slow) - distance(b.share, slow))
    .map(({ seconds, share }) => ({
      seconds,
      effect: Math.min(
        (1 - share) / 2,
        Math.max(slow * slowdown, shareAbove(points, seconds / (1 + slowdown)) - share),
      ),
    }));
}

/** Requests above the boundary since the start of the step; undefined if the counters contradict each other. */
export function slowRequests({ requests, buckets }: OperationCounts, seconds: number): number | undefined {
  const fast = buckets.get(seconds);
  if (fast === undefined) return requests === 0 ? 0 : undefined;
  return fast <= requests ? requests - fast : undefined;
}

interface Point {
  seconds: number;
  /** Share of the requests that took longer. */
  share: number;
}

function survival(requests: number, buckets: ReadonlyMap<number, number>): Point[] {
  return [...buckets]
    .filter(([seconds]) => Number.isFinite(seconds) && seconds > 0)
    .map(([seconds, fast]) => ({ seconds, share: Math.max(0, 1 - fast / requests) }))
    .toSorted((a, b) => a.seconds - b.seconds);
}

/**
 * Share of requests above any latency: linear between two boundaries in the logarithms of both, which is at most
 * the share of a distribution with a smooth tail. So the effect of a slowdown is not overestimated.
 */
function shareAbove(points: readonly Point[], seconds: number): number {
  const index = points.findIndex((point) => point.seconds >= seconds);
  const upper = points[index];
  if (!upper) return points.at(-1)?.share ?? 0;
  const lower = points[index - 1];
  // Below the first boundary, nothing is known: the share is at least that of the boundary.
  if (!lower) return upper.share;
  const [from, to] = [lower.share, Math.max(upper.share, Number.MIN_VALUE)];
  if (from === 0) return 0;
  const position = Math.log(seconds / lower.seconds) / Math.log(upper.seconds / lower.seconds);
  return Math.exp(Math.log(from) + position * (Math.log(to) - Math.log(from)));
}

/** A boundary with no requests above it is as near as one with a tenth of the desired share. */
function distance(share: number, desired: number): number {
  return Math.abs(Math.log(Math.max(share, desired / 10) / desired));
}
