/** The hypotheses that a metric tests, each with its share of alpha. */
import type { MetricSpec } from '../../api/v1alpha1/spec/analysis.js';
import { type OperationCounts, type RevisionCounts, together } from './revision-counts.js';
import { minEffectOf } from './settings.js';
import { boundaries, slowRequests } from './slow-requests.js';
import type { Counts, Prior, TwoCounts } from './two-proportions.js';

/** Name of the operations that a process of the API counts together. */
const OTHER_OPERATIONS = 'other';

export interface Hypothesis {
  /** Undefined: all operations together. */
  operation?: string;
  /** For latency: requests above this boundary count as events. In seconds. */
  boundary?: number;
  counts: TwoCounts;
  prior: Prior;
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
export function hypotheses(spec: MetricSpec, canary: RevisionCounts, stable: RevisionCounts): Hypothesis[] {
  const sum = together(stable);
  const all = { canary: together(canary), stable: sum };
  if (!(spec.successRate ?? spec.latency)?.perOperation) return tests(spec, undefined, all, 1);
  const known = [...stable].filter(
    ([name, { totalRequests }]) => totalRequests > 0 && name !== OTHER_OPERATIONS,
  );
  const perOperation = known.flatMap(([operation, of]) => {
    const mine = canary.get(operation);
    const share = 0.25 * (of.totalRequests / sum.totalRequests + 1 / known.length);
    return mine ? tests(spec, operation, { canary: mine, stable: of }, share) : [];
  });
  return [...tests(spec, undefined, all, 0.5), ...perOperation];
}

interface Pair {
  canary: OperationCounts;
  stable: OperationCounts;
}

function tests(
  spec: MetricSpec,
  operation: string | undefined,
  { canary, stable }: Pair,
  alphaShare: number,
): Hypothesis[] {
  const subject = { ...(operation === undefined ? {} : { operation }) };
  if (!spec.latency) {
    const counts = pair({ trials: canary.requests, events: canary.errors }, errorsOf(stable));
    const history = { trials: stable.totalRequests, events: stable.totalErrors };
    const prior = { history, minEffect: minEffectOf(spec) };
    return counts ? [{ ...subject, counts, prior, alphaShare, decidesPass: operation === undefined }] : [];
  }
  const around = boundaries(stable, spec.latency.percentile, minEffectOf(spec));
  return around.flatMap(({ seconds, effect }, index) => {
    const counts = pair(slowOf(canary, seconds), slowOf(stable, seconds));
    const fast = stable.totalBuckets.get(seconds) ?? 0;
    const history = { trials: stable.totalRequests, events: Math.max(0, stable.totalRequests - fast) };
    return counts
      ? [
          {
            ...{ ...subject, boundary: seconds, counts, prior: { history, minEffect: effect } },
            alphaShare: alphaShare / around.length,
            decidesPass: operation === undefined && index === 0,
          },
        ]
      : [];
  });
}

function errorsOf({ requests, errors }: OperationCounts): Counts {
  return { trials: requests, events: errors };
}

function slowOf(counts: OperationCounts, seconds: number): Counts {
  return { trials: counts.requests, events: slowRequests(counts, seconds) ?? Number.NaN };
}

/** Undefined without requests of both, or if the counters of one contradict each other: no evidence. */
function pair(canary: Counts, stable: Counts): TwoCounts | undefined {
  return isUsable(canary) && isUsable(stable) ? { canary, stable } : undefined;
}

function isUsable({ trials, events }: Counts): boolean {
  return trials > 0 && events >= 0 && events <= trials;
}
