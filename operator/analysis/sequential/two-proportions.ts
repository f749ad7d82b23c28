/**
 * Sequential test of two proportions, valid at any time: it can be evaluated after every request, for as long
 * as needed, and still falsely rejects with a probability of at most alpha.
 *
 * The e-process for "the share of events of the canary exceeds that of stable by at most d" is the likelihood of
 * the counts under a mixture of alternatives, divided by the largest likelihood under this hypothesis (universal
 * inference, arXiv 1912.11436; the mixture replaces its running estimate). For the true shares the ratio is at
 * most a martingale that starts at 1, so it ever reaches 1 / alpha with a probability of at most alpha (Ville's
 * inequality; arXiv 1810.08240 has the field). It depends on cumulative counts only, so nothing is stored between
 * two evaluations.
 *
 * It needs either constant shares of events, or a constant share of the requests that the canary receives: with a
 * constant split, each request is assigned at random, and the expected factor of a request is linear in the share
 * of events at that moment, which is common to both revisions, and at most 1 (the argument of arXiv 2106.02693 for
 * one block). An incident that affects both revisions is therefore no evidence against the canary. Counts of
 * different weights must not be added up.
 */
import { logBeta, logSumExp, timesLog } from './log-beta.js';

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

/**
 * Expectations from before the first count. They decide how soon a difference is detected, and never the
 * validity.
 */
export interface Prior {
  /** Earlier counts of the stable revision. */
  history: Counts;
  /** Smallest relevant increase of the share of events of the canary, from 0 to 1. */
  minEffect: number;
}

/** Beta distribution. */
interface Component {
  logWeight: number;
  a: number;
  b: number;
}

/** Equivalent numbers of earlier events: the share can drift from its history. */
const DRIFT = [
  [1_000, 0.4],
  [64, 0.3],
  [4, 0.3],
] as const;
/** Alternatives with their weights, in units of the smallest relevant effect. */
const EFFECTS = [
  [0.5, 0.15],
  [1, 0.3],
  [2, 0.2],
  [4, 0.1],
  [10, 0.1],
] as const;
/** Alternatives that do not depend on it: a canary that is much worse is detected with a few requests. */
const LARGE_EFFECTS = [
  [0.02, 0.05],
  [0.1, 0.05],
  [0.5, 0.05],
] as const;
/** Weight of the alternatives of the opposite test, so that an interval is narrow on both of its sides. */
const OPPOSITE = 0.1;
const SMALLEST_SHARE = 1e-6;

/** Logarithms of the likelihoods of both mixtures: of a worse canary, and of an equal one. */
export interface Mixtures {
  worse: number;
  equal: number;
}

/** Mixture likelihoods of the counts. */
export function mixtures({ canary, stable }: TwoCounts, prior: Prior): Mixtures {
  const { worse, equal } = components(prior);
  const common = logMarginal(stable, equal);
  const [asWorse, asEqual] = [common + logMarginal(canary, worse), common + logMarginal(canary, equal)];
  const mix = (main: number, other: number) =>
    logSumExp([Math.log(1 - OPPOSITE) + main, Math.log(OPPOSITE) + other]);
  return { worse: mix(asWorse, asEqual), equal: mix(asEqual, asWorse) };
}

/** Log e-value against "canary - stable <= difference": the canary is worse by more than that. */
export function evidenceOfWorse(counts: TwoCounts, difference: number, { worse }: Mixtures): number {
  const best = bestDifference(counts);
  return worse - logLikelihoodAt(counts, Math.min(best, difference));
}

/** Log e-value against "canary - stable >= difference": the canary is worse by less than that. */
export function evidenceOfBounded(counts: TwoCounts, difference: number, { equal }: Mixtures): number {
  const best = bestDifference(counts);
  return equal - logLikelihoodAt(counts, Math.max(best, difference));
}

/** Confidence bounds of the difference canary - stable, each valid at any time at its level. */
export function confidenceBounds(
  counts: TwoCounts,
  likelihoods: Mixtures,
  alpha: { lower: number; upper: number },
): { lower: number; upper: number } {
  const best = bestDifference(counts);
  const isBelow = (difference: number) =>
    evidenceOfWorse(counts, difference, likelihoods) >= -Math.log(alpha.lower);
  const isAbove = (difference: number) =>
    evidenceOfBounded(counts, difference, likelihoods) >= -Math.log(alpha.upper);
  return { lower: boundary(best, -1, isBelow), upper: boundary(best, 1, isAbove) };
}

/** The rejected difference nearest to `inside`, or `outside` if none is rejected. */
function boundary(inside: number, outside: number, isRejected: (difference: number) => boolean): number {
  let [kept, rejected] = [inside, outside];
  if (!isRejected(rejected)) return outside;
  for (let i = 0; i < 40; i++) {
    const middle = (kept + rejected) / 2;
    if (isRejected(middle)) rejected = middle;
    else kept = middle;
  }
  return rejected;
}

/** Difference of the observed shares. */
function bestDifference({ canary, stable }: TwoCounts): number {
  return canary.events / canary.trials - stable.events / stable.trials;
}

/** Largest log-likelihood of the counts with shares that differ by exactly `difference`. */
function logLikelihoodAt(counts: TwoCounts, difference: number): number {
  const share = mostLikelyStableShare(counts, difference);
  return logLikelihood(counts.stable, share) + logLikelihood(counts.canary, share + difference);
}

function logLikelihood({ trials, events }: Counts, share: number): number {
  // A sum with the difference can be out of range by a rounding error.
  const within = Math.min(1, Math.max(0, share));
  return timesLog(events, within) + timesLog(trials - events, 1 - within);
}

/** The log-likelihood is concave in the share of stable, so the root of its derivative is found by bisection. */
function mostLikelyStableShare({ canary, stable }: TwoCounts, difference: number): number {
  const [events, others] = [canary.events, canary.trials - canary.events];
  const [stableEvents, stableOthers] = [stable.events, stable.trials - stable.events];
  if (difference === 0) return (events + stableEvents) / (canary.trials + stable.trials);
  let low = Math.max(0, -difference);
  let high = Math.min(1, 1 - difference);
  const slope = (share: number) =>
    ratio(stableEvents, share) -
    ratio(stableOthers, 1 - share) +
    ratio(events, share + difference) -
    ratio(others, 1 - share - difference);
  for (let i = 0; i < 60 && high > low; i++) {
    const middle = (low + high) / 2;
    if (slope(middle) > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function ratio(count: number, share: number): number {
  return count === 0 ? 0 : count / share;
}

function logMarginal({ trials, events }: Counts, mixture: readonly Component[]): number {
  return logSumExp(
    mixture.map(
      ({ logWeight, a, b }) => logWeight + logBeta(events + a, trials - events + b) - logBeta(a, b),
    ),
  );
}

function components({ history, minEffect }: Prior): { worse: Component[]; equal: Component[] } {
  const share = Math.min(0.9, Math.max(SMALLEST_SHARE, (history.events + 0.5) / (history.trials + 1)));
  const equal = DRIFT.map(([events, weight]) => beta(weight, share, Math.min(events, history.events + 0.5)));
  const relevant = EFFECTS.map(([factor, weight]) => [factor * minEffect, weight] as const);
  const worse = [...relevant, ...LARGE_EFFECTS].map(([effect, weight]) => {
    const mean = Math.min(0.95, share + effect);
    // A standard deviation of half the effect, so that neighboring alternatives overlap.
    return beta(weight, mean, ((2 * mean) / (mean - share)) ** 2);
  });
  return { worse, equal };
}

/** With this mean; `events` is the number of observed events that it stands for. */
function beta(weight: number, mean: number, events: number): Component {
  return { logWeight: Math.log(weight), a: events, b: (events * (1 - mean)) / mean };
}
