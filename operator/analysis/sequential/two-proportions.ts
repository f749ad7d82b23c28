/**
 * Sequential test of two proportions, valid at any time: it can be evaluated after every request, for as long
 * as needed, and still falsely rejects with a probability of at most alpha.
 *
 * The e-process for "the share of events of the canary exceeds that of stable by at most d" multiplies, over all
 * requests, their likelihood under an alternative (a pair of shares that differ by more than d) divided by their
 * likelihood under the pair of the hypothesis that is nearest to it (Kullback-Leibler divergence, for the split of
 * the requests). This is the growth-rate optimal e-variable for 2x2 tables of Turner, Ly and Grünwald (arXiv
 * 2106.02693, section 3), with the sum of all requests as the block. Alternatives are mixed with fixed weights (the
 * method of mixtures, arXiv 1810.08240). The product is a martingale that starts at 1, so it ever reaches 1 / alpha
 * with a probability of at most alpha (Ville's inequality). It depends on cumulative counts only.
 *
 * Why an incident of both revisions is no evidence: each request is assigned to the canary with the same probability,
 * so the expected factor of a request is linear in the share of events at that moment. It is 1 at the nearest pair,
 * where its slope is 0, so it is 1 on the whole line of pairs that differ by d, and less below it. The share of
 * events can change at any time; the split cannot, so counts of different weights are different tests.
 */
import { logSumExp, timesLog } from './logarithms.js';

/** Requests, and those of them with the event: an error, or a latency above a boundary. */
export interface Counts {
  trials: number;
  events: number;
}

/** Counts of both revisions over the same time. Both have at least one request. */
export interface TwoCounts {
  canary: Counts;
  stable: Counts;
}

/** Shares of events of both revisions that evidence is compared with, and their weight. */
export interface Alternative {
  weight: number;
  canary: number;
  stable: number;
}

/** A difference of 1 leaves one pair, whose likelihood is 0. */
const LARGEST_DIFFERENCE = 1 - 1e-6;

/**
 * Log e-value against "canary - stable <= difference": the canary is worse by more than that. Alternatives that
 * belong to the hypothesis bet nothing: their factor is 1.
 */
export function evidenceOfMore(
  counts: TwoCounts,
  difference: number,
  alternatives: readonly Alternative[],
): number {
  return mixed(counts, difference, alternatives, (effect) => effect > difference);
}

/** Log e-value against "canary - stable >= difference": the canary is worse by less than that. */
export function evidenceOfLess(
  counts: TwoCounts,
  difference: number,
  alternatives: readonly Alternative[],
): number {
  return mixed(counts, difference, alternatives, (effect) => effect < difference);
}

/** What a bound is searched for: the evidence that rejects, and the difference that decides. */
export interface Level {
  limit: number;
  decisive: number;
}

/** The largest difference that is rejected as too small; -1 without one. */
export function lowerBound(
  counts: TwoCounts,
  alternatives: readonly Alternative[],
  { limit, decisive }: Level,
): number {
  const isRejected = (at: number) => evidenceOfMore(counts, at, alternatives) >= limit;
  return lastRejected([-1, decisive, observed(counts)], isRejected);
}

/** The smallest difference that is rejected as too large; 1 without one. */
export function upperBound(
  counts: TwoCounts,
  alternatives: readonly Alternative[],
  { limit, decisive }: Level,
): number {
  const isRejected = (at: number) => evidenceOfLess(counts, at, alternatives) >= limit;
  return lastRejected([1, decisive, observed(counts)], isRejected);
}

function mixed(
  counts: TwoCounts,
  difference: number,
  alternatives: readonly Alternative[],
  isAlternative: (effect: number) => boolean,
): number {
  return logSumExp(
    alternatives.map(
      (one) =>
        Math.log(one.weight) +
        (isAlternative(one.canary - one.stable) ? logLikelihoodRatio(counts, one, difference) : 0),
    ),
  );
}

function logLikelihoodRatio(
  { canary, stable }: TwoCounts,
  alternative: Alternative,
  difference: number,
): number {
  const nearest = nearestShare(alternative, canary.trials / (canary.trials + stable.trials), difference);
  return (
    logLikelihood(canary, alternative.canary) +
    logLikelihood(stable, alternative.stable) -
    logLikelihood(canary, nearest + difference) -
    logLikelihood(stable, nearest)
  );
}

function logLikelihood({ trials, events }: Counts, share: number): number {
  // A sum with the difference can be out of range by a rounding error.
  const within = Math.min(1, Math.max(0, share));
  return timesLog(events, within) + timesLog(trials - events, 1 - within);
}

/**
 * Share of stable in the pair of the hypothesis that is nearest to the alternative. The divergence is convex, so
 * the root of its derivative is found by bisection. `split`: share of the requests that the canary receives.
 */
function nearestShare({ canary, stable }: Alternative, split: number, difference: number): number {
  const mean = split * canary + (1 - split) * stable;
  if (difference === 0) return mean;
  let low = Math.max(0, -difference, Math.min(stable, canary - difference));
  let high = Math.min(1, 1 - difference, Math.max(stable, canary - difference));
  const slope = (share: number) =>
    (1 - split) * (stable / share - (1 - stable) / (1 - share)) +
    split * (canary / (share + difference) - (1 - canary) / (1 - share - difference));
  for (let i = 0; i < 50 && high - low > 1e-9 * high; i++) {
    const middle = (low + high) / 2;
    if (slope(middle) > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * The rejected difference nearest to `inside`, or `outside` if none is rejected. It is on the same side of `decisive`
 * as the decision.
 */
function lastRejected(
  [outside, decisive, inside]: [number, number, number],
  isRejected: (difference: number) => boolean,
): number {
  let [kept, rejected] = [inside, outside * LARGEST_DIFFERENCE];
  const isBetween = (decisive - outside) * (decisive - inside) < 0;
  if (isBetween && isRejected(decisive)) rejected = decisive;
  else {
    if (isBetween) kept = decisive;
    if (!isRejected(rejected)) return outside;
  }
  for (let i = 0; i < 30; i++) {
    const middle = (kept + rejected) / 2;
    if (isRejected(middle)) rejected = middle;
    else kept = middle;
  }
  return rejected;
}

/** Difference of the observed shares. */
function observed({ canary, stable }: TwoCounts): number {
  return canary.events / canary.trials - stable.events / stable.trials;
}
