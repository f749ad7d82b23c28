/** Rules of analyses: sequential tests, our fixed bounds, and the documented examples of two other projects. */

import { decide } from '../../../operator/analysis/sequential/evaluate-counts.js';
import { hypotheses, type RevisionWindows } from '../../../operator/analysis/sequential/hypotheses.js';
import type {
  OperationCounts,
  RevisionCounts,
} from '../../../operator/analysis/sequential/revision-counts.js';
import { analysis, type MetricSpec } from '../../../operator/api/v1alpha1/spec/analysis.js';
import { type Arm, BOUNDARIES, type Counters, percentile, type Traffic } from './traffic.js';

export type Result = 'good' | 'bad' | 'undecided';

export interface Look {
  traffic: Traffic;
  now: number;
  /** Index and start of the step. */
  step: number;
  since: number;
  steps: number;
}

export interface Metric {
  /** Seconds between two measurements, and before the first one. */
  interval: number;
  delay: number;
  /** Good measurements per step, and tolerated bad ones per delivery. */
  count: number;
  failureLimit: number;
  measure(look: Look): Result;
}

export interface Rules {
  name: string;
  /** The metrics of one delivery. */
  metrics(): Metric[];
}

const WINDOW = 120;
const MIN_REQUESTS = 10;

/** The bounds of docs/analysis.md with the defaults of the analysis. */
const defaults = { interval: 30, delay: 60, count: 3, failureLimit: 0 };
const fixed: Rules = {
  name: 'fixed bounds',
  metrics: () => [
    { ...defaults, measure: (look) => successRate(look, WINDOW, 0.99) },
    { ...defaults, measure: compareP99 },
  ],
};

/** AnalysisTemplate of the documentation of Argo Rollouts: at least 0.95 in 5 minutes, failureLimit 3. */
const argo: Rules = {
  name: 'Argo Rollouts',
  metrics: () => [
    { interval: 300, delay: 300, count: 1, failureLimit: 3, measure: (look) => successRate(look, 300, 0.95) },
  ],
};

/** Canary of the documentation of Flagger: at least 99 % and p99 of at most 500 ms in 1 minute, threshold 5. */
const flaggerPace = { interval: 60, delay: 60, count: 1, failureLimit: 4 };
const flagger: Rules = {
  name: 'Flagger',
  metrics: () => [
    { ...flaggerPace, measure: (look) => successRate(look, 60, 0.99) },
    { ...flaggerPace, measure: (look) => p99(look, 60, 0.5) },
  ],
};

/** All rules; the sequential tests first. */
export function rulesOf(percentile: number): readonly Rules[] {
  const [errors, latency] = analysis.parse({
    prometheus: { url: 'http://prometheus.test' },
    metrics: [
      { name: 'success-rate', successRate: {}, sequential: {} },
      { name: 'latency', latency: { percentile }, sequential: {} },
    ],
  }).metrics as [MetricSpec, MetricSpec];
  const pace = { interval: 5, count: 1, failureLimit: 0 };
  const sequential: Rules = {
    name: 'sequential tests',
    metrics: () => [
      { ...pace, delay: 0, measure: sequentialTest(errors, 0) },
      { ...pace, delay: 60, measure: sequentialTest(latency, 60) },
    ],
  };
  return [sequential, fixed, argo, flagger];
}

function successRate({ traffic, now }: Look, window: number, min: number): Result {
  const { requests, errors } = traffic.between('canary', now - window, now);
  if (requests < MIN_REQUESTS) return 'undecided';
  return 1 - errors / requests < min ? 'bad' : 'good';
}

function p99({ traffic, now }: Look, window: number, max: number): Result {
  const canary = traffic.between('canary', now - window, now);
  if (canary.requests < MIN_REQUESTS) return 'undecided';
  return percentile(canary, 0.99) > max ? 'bad' : 'good';
}

/** At most 1 s, and worse than stable by at most 20 % or 50 ms. */
function compareP99(look: Look): Result {
  const { traffic, now } = look;
  const [canary, stable] = [
    traffic.between('canary', now - WINDOW, now),
    traffic.between('stable', now - WINDOW, now),
  ];
  if (canary.requests < MIN_REQUESTS || stable.requests < MIN_REQUESTS) return 'undecided';
  const [mine, theirs] = [percentile(canary, 0.99), percentile(stable, 0.99)];
  return mine > 1 || mine - theirs > Math.max(0.05, 0.2 * theirs) ? 'bad' : 'good';
}

/** The test of one metric over a delivery: each step starts a test, with the evidence of the earlier ones. */
function sequentialTest(spec: MetricSpec, delay: number): (look: Look) => Result {
  let [since, earlier, last] = [-1, 0, 0];
  return (look) => {
    if (look.since !== since) [since, earlier] = [look.since, last];
    const from = Math.max(since, delay);
    if (look.now <= from) return 'undecided';
    const { outcome, evidence } = decide(spec, hypothesesAt(spec, look, from), earlier);
    last = evidence;
    return { Success: 'good', Failure: 'bad', Inconclusive: 'undecided' }[outcome] as Result;
  };
}

/** Windows as in the operator, see CountsReader. */
function hypothesesAt(spec: MetricSpec, { traffic, now }: Look, from: number) {
  const windows = (arm: Arm, other: Arm): RevisionWindows => {
    const before = traffic.at(arm, from);
    const start = before.requests === 0 ? from : traffic.scrapedSince(arm, from);
    const end = traffic.at(other, now).at;
    const narrow =
      start === undefined || end <= start
        ? traffic.between(arm, from, from)
        : traffic.between(arm, start, end);
    const of = (counters: Counters): RevisionCounts => new Map([['', operationCounts(before, counters)]]);
    const seconds = traffic.meanAt(arm, now) - (before.requests === 0 ? from : traffic.meanAt(arm, from));
    return { narrow: of(narrow), wide: of(traffic.between(arm, from, now)), seconds };
  };
  return hypotheses(spec, windows('canary', 'stable'), windows('stable', 'canary'));
}

function operationCounts(start: Counters, added: Counters): OperationCounts {
  return {
    requests: added.requests,
    errors: added.errors,
    buckets: cumulative(added.buckets),
    totalRequests: start.requests,
    totalErrors: start.errors,
    totalBuckets: cumulative(start.buckets),
  };
}

function cumulative(buckets: readonly number[]): Map<number, number> {
  let sum = 0;
  return new Map(
    BOUNDARIES.map((seconds, index) => {
      sum += buckets[index]!;
      return [seconds, sum];
    }),
  );
}
