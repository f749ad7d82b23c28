/** Outcome of a sequential test: the decision, and the interval that it is based on. */
import { durationMs } from '../../api/v1alpha1/kubernetes.js';
import type { MetricSpec } from '../../api/v1alpha1/spec/analysis.js';
import type { CountsReading, Evaluation, Interval, Windows } from '../analysis-model.js';
import { format } from '../format-value.js';
import { detectableEffect } from './detectable-effect.js';
import { evidenceAfter, limitOf } from './evidence.js';
import { type Hypothesis, hypotheses, type RevisionWindows } from './hypotheses.js';
import { logSumExp } from './logarithms.js';
import { type RevisionCounts, revisionCounts, together } from './revision-counts.js';
import { evidenceOfLess, evidenceOfMore, lowerBound, upperBound } from './two-proportions.js';

/**
 * Failure: a regression is significant. Success: it is smaller than the smallest relevant effect. Inconclusive:
 * not decided yet, or data is missing, which is never evidence. `earlierEvidence`: of the earlier tests of the
 * delivery.
 */
export function evaluateCounts(
  spec: MetricSpec,
  reading: CountsReading,
  earlierEvidence: number,
): Evaluation {
  const [canary, stable] = [countsOf(reading.canary), countsOf(reading.stable)];
  const missing = reading.note ?? missingData(canary.wide, stable.wide, reading.since);
  if (missing) return { outcome: 'Inconclusive', detail: missing };
  const all = hypotheses(spec, canary, stable);
  const { outcome, tested, evidence } = decide(spec, all, earlierEvidence);
  if (!tested) return { outcome: 'Inconclusive', detail: 'the counters of requests contradict each other' };
  const interval = intervalOf(tested, { spec, reading, earlierEvidence, evidence });
  return evaluation(outcome, tested, interval, spec);
}

export interface Decision {
  outcome: 'Success' | 'Failure' | 'Inconclusive';
  /** The hypothesis that decides, or that the step waits for. */
  tested?: Hypothesis;
  /**
   * Logarithm of the e-value that the canary is worse, with that of earlier tests: the sum over the hypotheses by
   * their shares, where those without requests count 1. So a test without evidence changes nothing.
   */
  evidence: number;
}

/** The decision alone: the interval takes a hundred times as long to compute. */
export function decide(spec: MetricSpec, all: readonly Hypothesis[], earlierEvidence: number): Decision {
  const { alpha } = spec.sequential!;
  const judged = all.map((one) => {
    const found = one.worse ? evidenceOfMore(one.worse, 0, one.worse.alternatives) : 0;
    return { one, found, shared: found + Math.log(one.alphaShare) };
  });
  const unused = Math.max(0, 1 - all.reduce((sum, { alphaShare }) => sum + alphaShare, 0));
  const total = logSumExp([Math.log(unused), ...judged.map(({ shared }) => shared)]);
  const evidence = evidenceAfter(earlierEvidence, total);
  const [worst] = judged
    .filter(({ one, found }) => found >= limitOf(alpha, earlierEvidence, one.alphaShare))
    .toSorted((a, b) => estimateOf(b.one) - estimateOf(a.one));
  if (worst) return { outcome: 'Failure', tested: worst.one, evidence };
  const tested = all.find(({ decidesPass }) => decidesPass);
  const { bounded, minEffect } = tested ?? { minEffect: 0 };
  const isBounded = bounded && evidenceOfLess(bounded, minEffect, bounded.alternatives) >= -Math.log(alpha);
  return { outcome: isBounded ? 'Success' : 'Inconclusive', evidence, ...(tested ? { tested } : {}) };
}

function estimateOf({ counts: { canary, stable } }: Hypothesis): number {
  return canary.events / canary.trials - stable.events / stable.trials;
}

function countsOf({ narrow, wide, wideSeconds }: Windows): RevisionWindows {
  return { narrow: revisionCounts(narrow), wide: revisionCounts(wide), seconds: wideSeconds };
}

interface Test {
  spec: MetricSpec;
  reading: CountsReading;
  earlierEvidence: number;
  evidence: number;
}

function intervalOf(
  tested: Hypothesis,
  { spec, reading: { since, at }, earlierEvidence, evidence }: Test,
): Interval {
  const { counts, worse, bounded, minEffect, operation, boundary, alphaShare } = tested;
  const { alpha, timeBudget } = spec.sequential!;
  const limit = limitOf(alpha, earlierEvidence, alphaShare);
  const ofPass = { limit: -Math.log(alpha), decisive: minEffect };
  const { canary, stable } = counts;
  const growth = Math.max(1, durationMs(timeBudget) / Math.max(1, at - since));
  return {
    since: new Date(since).toISOString(),
    ...(operation === undefined ? {} : { operation }),
    ...(boundary === undefined ? {} : { boundary }),
    estimate: rounded(estimateOf(tested)),
    lower: worse ? rounded(lowerBound(worse, worse.alternatives, { limit, decisive: 0 })) : -1,
    upper: bounded ? rounded(upperBound(bounded, bounded.alternatives, ofPass)) : 1,
    minEffect: rounded(minEffect),
    ...(worse ? { detectable: rounded(detectableEffect(counts, worse.alternatives, limit, growth)) } : {}),
    requests: canary.trials,
    stableRequests: stable.trials,
    evidence: rounded(evidence),
    earlierEvidence,
  };
}

/** Without data of one revision there is nothing to compare. The sentence says what is missing. */
function missingData(canary: RevisionCounts, stable: RevisionCounts, since: number): string | undefined {
  const [ofCanary, ofStable] = [together(canary), together(stable)];
  const from = new Date(since).toISOString();
  if (!(ofStable.totalRequests > 0))
    return `Prometheus has no requests of the stable revision from before ${from}`;
  if (!(ofCanary.requests > 0)) return `no requests of the new revision since ${from}`;
  if (!(ofStable.requests > 0)) return `no requests of the stable revision since ${from}`;
  return undefined;
}

function evaluation(
  outcome: Evaluation['outcome'],
  { counts }: Hypothesis,
  interval: Interval,
  spec: MetricSpec,
): Evaluation {
  const { canary, stable } = counts;
  const shareOf = ({ trials, events }: typeof canary) => (spec.latency ? events : trials - events) / trials;
  const [value, stableValue] = [format(shareOf(canary)), format(shareOf(stable))];
  const { operation, boundary, lower, upper, minEffect, requests } = interval;
  const subject = operation === undefined ? '' : `${operation} `;
  const slow = boundary === undefined ? '' : ` above ${boundary} s`;
  const found = `${subject}${value}${slow}, stable has ${stableValue}: worse by ${format(lower)} to ${format(upper)} (${requests} requests)`;
  const waits = outcome === 'Inconclusive' ? `; passes below ${format(minEffect)}, fails above 0` : '';
  return { outcome, value, stableValue, detail: `${found}${waits}`, sequential: interval };
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
