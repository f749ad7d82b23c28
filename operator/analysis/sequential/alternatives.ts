/**
 * Alternatives of the sequential test: what is expected before the first count. They decide how soon a difference
 * is detected, and never the validity. Most of the weight is at the smallest relevant effect, because a larger one
 * is detected soon anyway.
 */
import type { Alternative, Counts } from './two-proportions.js';

export interface Prior {
  /** Earlier counts of the stable revision. */
  history: Counts;
  /** Smallest relevant increase of the share of events of the canary, from 0 to 1. */
  minEffect: number;
}

/** Factors of the earlier share of the stable revision, with their weights: it can drift. */
const DRIFT = [
  [0.5, 0.15],
  [0.75, 0.15],
  [1, 0.3],
  [1.4, 0.15],
  [2, 0.1],
  [4, 0.075],
  [16, 0.075],
] as const;
/** Effects of a worse canary with their weights, in units of the smallest relevant effect. */
const EFFECTS = [
  [0.5, 0.1],
  [1, 0.45],
  [2, 0.15],
  [4, 0.1],
  [10, 0.1],
] as const;
/** Effects that do not depend on it: a canary that is much worse is detected with a few requests. */
const LARGE_EFFECTS = [
  [0.1, 0.05],
  [0.5, 0.05],
] as const;
const SMALLEST_SHARE = 1e-6;
const LARGEST_SHARE = 0.95;

/** Effects of a canary that is not worse by a relevant amount. */
const SMALL_EFFECTS = [
  [0, 0.85],
  [0.4, 0.15],
] as const;

/** Alternatives of "the canary is not worse". */
export function worseAlternatives({ history, minEffect }: Prior): Alternative[] {
  const relevant = EFFECTS.map(([factor, weight]) => [factor * minEffect, weight] as const);
  return pairs(history, [...relevant, ...LARGE_EFFECTS]);
}

/** Alternatives of "the canary is worse by the smallest relevant effect". */
export function equalAlternatives({ history, minEffect }: Prior): Alternative[] {
  return pairs(
    history,
    SMALL_EFFECTS.map(([factor, weight]) => [factor * minEffect, weight] as const),
  );
}

function pairs(history: Counts, effects: readonly (readonly [number, number])[]): Alternative[] {
  return effects.flatMap(([effect, weight]) =>
    stableShares(history).map((stable) => ({
      weight: weight * stable.weight,
      stable: stable.share,
      canary: Math.min((1 + LARGEST_SHARE) / 2, stable.share + effect),
    })),
  );
}

function stableShares({ trials, events }: Counts) {
  const share = (events + 0.5) / (trials + 1);
  return DRIFT.map(([factor, weight]) => ({
    weight,
    share: Math.min(LARGEST_SHARE, Math.max(SMALLEST_SHARE, share * factor)),
  }));
}
