/** Outcome of a sequential test: the decision, and the interval that it is based on. */
import type { MetricSpec } from '../../api/v1alpha1/spec/analysis.js';
import type { CountsReading, Evaluation, Interval } from '../analysis-model.js';
import { format } from '../format-value.js';
import { type Hypothesis, hypotheses } from './hypotheses.js';
import { type RevisionCounts, revisionCounts, together } from './revision-counts.js';
import { confidenceBounds, evidenceOfWorse, type Mixtures, mixtures } from './two-proportions.js';

/**
 * Failure: a regression is significant. Success: it is smaller than the smallest relevant effect. Inconclusive:
 * not decided yet, or data is missing, which is never evidence.
 */
export function evaluateCounts(spec: MetricSpec, reading: CountsReading, steps: number): Evaluation {
  const [canary, stable] = [revisionCounts(reading.canary), revisionCounts(reading.stable)];
  const missing = reading.note ?? missingData(canary, stable, reading.since);
  if (missing) return { outcome: 'Inconclusive', detail: missing };
  const alpha = spec.sequential!.alpha / steps;
  const all = hypotheses(spec, canary, stable).map((one) => ({
    ...one,
    likelihoods: mixtures(one.counts, one.prior),
  }));
  const worst = all
    .filter((one) => isWorse(one, alpha))
    .map((one) => withInterval(one, alpha, reading.since))
    .toSorted((a, b) => b.interval.lower - a.interval.lower)[0];
  if (worst) return evaluation('Failure', worst, spec);
  const decisive = all.find(({ decidesPass }) => decidesPass);
  if (!decisive) return { outcome: 'Inconclusive', detail: 'the counters of requests contradict each other' };
  const tested = withInterval(decisive, alpha, reading.since);
  const isBounded = tested.interval.upper < tested.interval.minEffect;
  return evaluation(isBounded ? 'Success' : 'Inconclusive', tested, spec);
}

interface Evidence extends Hypothesis {
  likelihoods: Mixtures;
}

interface Tested extends Hypothesis {
  interval: Interval;
}

/** Whether the lower bound of the interval is above 0. The interval itself takes ten times as long to compute. */
function isWorse({ counts, likelihoods, alphaShare }: Evidence, alpha: number): boolean {
  return evidenceOfWorse(counts, 0, likelihoods) >= -Math.log(alpha * alphaShare);
}

/** `alpha`: of this step. The steps share that of the metric, because each is a test of its own. */
function withInterval(one: Evidence, alpha: number, since: number): Tested {
  const { counts, likelihoods, prior, operation, boundary, alphaShare } = one;
  const levels = { lower: alpha * alphaShare, upper: alpha };
  const { lower, upper } = confidenceBounds(counts, likelihoods, levels);
  const { canary, stable } = counts;
  const interval: Interval = {
    since: new Date(since).toISOString(),
    ...(operation === undefined ? {} : { operation }),
    ...(boundary === undefined ? {} : { boundary }),
    estimate: rounded(canary.events / canary.trials - stable.events / stable.trials),
    lower: rounded(lower),
    upper: rounded(upper),
    minEffect: rounded(prior.minEffect),
    requests: canary.trials,
    stableRequests: stable.trials,
  };
  return { ...one, interval };
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
  { counts, interval }: Tested,
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
