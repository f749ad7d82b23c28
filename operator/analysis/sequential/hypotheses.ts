/** The hypotheses that a metric tests, each with its share of alpha. */
import type { MetricSpec } from '../../api/v1alpha1/spec/analysis.js';
import { equalAlternatives, type Prior, worseAlternatives } from './alternatives.js';
import { requestMetric } from './counts-query.js';
import { type OperationCounts, type RevisionCounts, together } from './revision-counts.js';
import { minEffectOf } from './settings.js';
import { boundaries, slowRequests } from './slow-requests.js';
import type { Alternative, Counts, TwoCounts } from './two-proportions.js';

/** Name of the operations that a process of the API counts together. */
const OTHER_OPERATIONS = 'other';

/** Counts of both windows of a revision. */
export interface RevisionWindows {
  narrow: RevisionCounts;
  wide: RevisionCounts;
  /** Duration of the wide window. */
  seconds: number;
}

/** Counts of a test against one hypothesis, with the alternatives that they are compared with. */
export interface TestCounts extends TwoCounts {
  alternatives: readonly Alternative[];
}

export interface Hypothesis {
  /** Undefined: all operations together. */
  operation?: string;
  /** For latency: requests above this boundary count as events. In seconds. */
  boundary?: number;
  /** Counts of the newest samples of both revisions. */
  counts: TwoCounts;
  minEffect: number;
  /** Whether the canary is worse: with the fewest events of the canary, and the most of the stable revision. */
  worse?: TestCounts;
  /** Whether the canary is worse by less than `minEffect`: the opposite. */
  bounded?: TestCounts;
  /** Its share of alpha for the abort. The shares of a metric add up to at most 1. */
  alphaShare: number;
  /** Whether its bound decides that the step has passed. */
  decidesPass: boolean;
}

/**
 * Hypotheses with requests of both revisions. The shares of alpha add up (Bonferroni), weighted by what is known
 * before the first count: half for all operations together, half for the operations, of which a half by their
 * share of the requests. So a busy operation costs little power, and a rare one has its minimum. e-BH would need
 * smaller evidence, but controls the rate of false discoveries: here one false discovery aborts the delivery.
 *
 * Only all operations together decide that a step has passed, because a rare operation would block every
 * delivery. Operations that the stable revision has not served before the step are part of the sum only, and so is
 * `other`: which operations it contains differs between processes.
 */
export function hypotheses(spec: MetricSpec, canary: RevisionWindows, stable: RevisionWindows): Hypothesis[] {
  const sum = togetherIn(stable);
  const all = { canary: togetherIn(canary), stable: sum };
  if (!requestMetric(spec).perOperation) return tests(spec, undefined, all, 1);
  const known = [...stable.wide].filter(
    ([name, { totalRequests }]) => totalRequests > 0 && name !== OTHER_OPERATIONS,
  );
  const perOperation = known.flatMap(([operation, { totalRequests }]) => {
    const share = 0.25 * (totalRequests / sum.wide.totalRequests + 1 / known.length);
    const both = { canary: ofOperation(canary, operation), stable: ofOperation(stable, operation) };
    return both.canary && both.stable
      ? tests(spec, operation, { canary: both.canary, stable: both.stable }, share)
      : [];
  });
  return [...tests(spec, undefined, all, 0.5), ...perOperation];
}

interface OperationWindows {
  narrow: OperationCounts;
  wide: OperationCounts;
  seconds: number;
}

interface Both<T> {
  canary: T;
  stable: T;
}

function togetherIn({ narrow, wide, seconds }: RevisionWindows): OperationWindows {
  return { narrow: together(narrow), wide: together(wide), seconds };
}

function ofOperation({ narrow, wide, seconds }: RevisionWindows, name: string): OperationWindows | undefined {
  const [inNarrow, inWide] = [narrow.get(name) ?? together(new Map()), wide.get(name)];
  return inWide && { narrow: inNarrow, wide: inWide, seconds };
}

/** The boundary next to the percentile has most of alpha: the other one is a fallback. */
const BOUNDARY_SHARES = [0.7, 0.3] as const;

function tests(
  spec: MetricSpec,
  operation: string | undefined,
  { canary, stable }: Both<OperationWindows>,
  alphaShare: number,
): Hypothesis[] {
  const subject = operation === undefined ? {} : { operation };
  const { totalRequests, totalErrors, totalBuckets } = stable.wide;
  if (!spec.latency) {
    const history = { trials: totalRequests, events: totalErrors };
    const tested = testsOf(errorsOf, { canary, stable }, { history, minEffect: minEffectOf(spec) });
    return tested ? [{ ...subject, ...tested, alphaShare, decidesPass: operation === undefined }] : [];
  }
  const around = boundaries(stable.wide, spec.latency.percentile, minEffectOf(spec));
  return around.flatMap(({ seconds, effect }, index) => {
    const history = {
      trials: totalRequests,
      events: Math.max(0, totalRequests - (totalBuckets.get(seconds) ?? 0)),
    };
    const tested = testsOf(slowerThan(seconds), { canary, stable }, { history, minEffect: effect });
    const share = around.length === 1 ? 1 : BOUNDARY_SHARES[index]!;
    const decidesPass = operation === undefined && index === 0;
    return tested
      ? [{ ...subject, boundary: seconds, ...tested, alphaShare: alphaShare * share, decidesPass }]
      : [];
  });
}

function errorsOf({ requests, errors }: OperationCounts): Counts {
  return { trials: requests, events: errors };
}

function slowerThan(seconds: number): (counts: OperationCounts) => Counts {
  return (counts) => ({
    trials: counts.requests,
    events: slowRequests(counts, seconds) ?? Number.NaN,
  });
}

/** Undefined without requests of both, or if the counters of one contradict each other: no evidence. */
function testsOf(
  countsOf: (counts: OperationCounts) => Counts,
  { canary, stable }: Both<OperationWindows>,
  prior: Prior,
): Pick<Hypothesis, 'counts' | 'minEffect' | 'worse' | 'bounded'> | undefined {
  const [mine, theirs] = [wideOf(canary, countsOf), wideOf(stable, countsOf)];
  if (!isUsable(mine) || !isUsable(theirs) || Number.isNaN(prior.history.events)) return undefined;
  const [fewestOfMine, mostOfTheirs] = matched(countsOf(canary.narrow), theirs, mine);
  const [fewestOfTheirs, mostOfMine] = matched(countsOf(stable.narrow), mine, theirs);
  return {
    counts: { canary: mine, stable: theirs },
    minEffect: prior.minEffect,
    worse: testCounts(fewestOfMine, mostOfTheirs, worseAlternatives(prior)),
    bounded: testCounts(mostOfMine, fewestOfTheirs, equalAlternatives(prior)),
  };
}

function wideOf({ wide, seconds }: OperationWindows, countsOf: (counts: OperationCounts) => Counts): Wide {
  const counts = countsOf(wide);
  return { ...counts, perSecond: counts.trials / seconds };
}

/**
 * Counts of the narrow window of one revision, and the events of the wide window of the other one, which contains
 * it: so all events of that time are in it, and more. Its requests are as many as the first has, by the ratio of the
 * request rates, because the windows have different durations.
 */
function matched(narrow: Counts, { trials, events, perSecond }: Wide, ofNarrow: Wide): [Counts, Counts] {
  return [narrow, { trials: Math.min(trials, narrow.trials * (perSecond / ofNarrow.perSecond)), events }];
}

interface Wide extends Counts {
  perSecond: number;
}

function testCounts(
  canary: Counts,
  stable: Counts,
  alternatives: readonly Alternative[],
): TestCounts | undefined {
  return isUsable(canary) && isUsable(stable) ? { canary, stable, alternatives } : undefined;
}

function isUsable({ trials, events }: Counts): boolean {
  return trials > 0 && events >= 0 && events <= trials;
}
