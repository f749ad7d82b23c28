/** Computes a verdict from counts: a chain of rules per metric, then the worst verdict. */
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import type { MetricStatus, Verdict } from '../api/v1alpha1/status/analysis.js';
import type { Judgement, PlannedMetric } from './analysis-model.js';
import { boundText } from './bounds.js';
import { judged, type MetricCounts } from './measurement-record.js';

/** Worst first. A failure takes precedence over unknown results. */
const GRAVITY: readonly Verdict[] = ['Failed', 'Unavailable', 'Inconclusive', 'Running', 'Passed'];

/**
 * A passed verdict is valid for two intervals plus the maximum duration of a measurement; then a new
 * measurement is required.
 */
const FRESH_INTERVALS = 2;

/**
 * Verdict on all metrics, and on each. Messages contain times instead of ages, so that they change only with
 * an event. An analysis without metrics has passed. `stepSince`: start of the step, for time budgets.
 */
export function judge(
  planned: readonly PlannedMetric[],
  results: readonly MetricCounts[],
  now: number,
  stepSince?: string,
): Judgement & { perMetric: MetricStatus[] } {
  const perMetric = planned.flatMap((metric) => {
    const counts = results.find(({ name }) => name === metric.name);
    return counts
      ? [{ ...counts, ...judgeMetric(metric, counts, now, stepSince), bound: boundText(metric.spec) }]
      : [];
  });
  const verdict = GRAVITY.find((it) => perMetric.some((metric) => metric.verdict === it)) ?? 'Passed';
  const telling = perMetric.filter((metric) => metric.verdict === verdict);
  const message = telling.map(({ name, message }) => `${name}: ${message}`).join('; ');
  return { verdict, message: message || 'no metrics to measure', perMetric };
}

type Rule = (
  metric: PlannedMetric,
  counts: MetricCounts,
  now: number,
  stepSince?: string,
) => Judgement | undefined;

const rules: Rule[] = [failed, notMeasured, unavailable, inconclusive, noData, tooFew, stale];
const sequentialRules: Rule[] = [failed, notMeasured, unavailable, overBudget, undecided, tooFew, stale];

function judgeMetric(
  metric: PlannedMetric,
  counts: MetricCounts,
  now: number,
  stepSince?: string,
): Judgement {
  for (const rule of metric.spec.sequential ? sequentialRules : rules) {
    const judgement = rule(metric, counts, now, stepSince);
    if (judgement) return judgement;
  }
  return { verdict: 'Passed', message: `${progress(metric, counts)}${last(counts)}` };
}

function failed({ failureLimit }: PlannedMetric, counts: MetricCounts): Judgement | undefined {
  if (counts.failures <= failureLimit) return undefined;
  const tolerated =
    failureLimit > 0 ? `, ${failureLimit} ${failureLimit === 1 ? 'is' : 'are'} tolerated` : '';
  const times = counts.failures === 1 ? '1 measurement' : `${counts.failures} measurements`;
  return { verdict: 'Failed', message: `${times} failed${tolerated}${last(counts)}` };
}

function notMeasured({ initialDelayMs }: PlannedMetric, counts: MetricCounts): Judgement | undefined {
  if (counts.lastMeasuredAt !== undefined) return undefined;
  const first = new Date(Date.parse(counts.since) + initialDelayMs).toISOString();
  return { verdict: 'Running', message: `waiting for its first measurement at ${first}` };
}

function unavailable(_metric: PlannedMetric, { outcome, outcomeSince, detail }: MetricCounts) {
  if (outcome !== 'Error') return undefined;
  const why = detail ? `: ${detail}` : '';
  return { verdict: 'Unavailable', message: `measurements fail since ${outcomeSince}${why}` } as const;
}

function inconclusive({ inconclusiveLimit }: PlannedMetric, counts: MetricCounts): Judgement | undefined {
  if (counts.outcome !== 'Inconclusive' || counts.inARow <= inconclusiveLimit) return undefined;
  const { inARow, outcomeSince, detail } = counts;
  return {
    verdict: 'Inconclusive',
    message: `${inARow} ${inARow === 1 ? 'measurement is' : 'consecutive measurements are'} inconclusive since ${outcomeSince}: ${detail ?? 'no data'}`,
  };
}

/** Prometheus ignores samples that are older. So after it, there are no requests. */
const FIRST_COUNTS_MS = 5 * 60_000;

/** A sequential test without a decision after its time budget. Later measurements can still decide it. */
function overBudget(
  { spec }: PlannedMetric,
  counts: MetricCounts,
  now: number,
  stepSince = counts.since,
): Judgement | undefined {
  if (counts.outcome !== 'Inconclusive') return undefined;
  const { timeBudget } = spec.sequential!;
  const since = budgetSince(counts, stepSince);
  if (now - since < durationMs(timeBudget)) return undefined;
  const message = `not decided since ${new Date(since).toISOString()}, within its time budget of ${timeBudget}${last(counts)}; kubectl pcf promote --full does not wait for it`;
  return { verdict: 'Inconclusive', message };
}

/** The first interval: until it, the pods are scraped, which can take longer than a short budget. */
function budgetSince({ since, sequential }: MetricCounts, stepSince: string): number {
  const start = Math.max(Date.parse(since), Date.parse(stepSince));
  const first = sequential?.history[0];
  const isOfStep = sequential !== undefined && Date.parse(sequential.since) >= start;
  return isOfStep && first ? Date.parse(first.at) : start + FIRST_COUNTS_MS;
}

function undecided(_metric: PlannedMetric, { outcome, detail }: MetricCounts): Judgement | undefined {
  if (outcome !== 'Inconclusive') return undefined;
  return { verdict: 'Running', message: detail ?? 'no data' };
}

function noData(metric: PlannedMetric, counts: MetricCounts): Judgement | undefined {
  if (counts.outcome !== 'Inconclusive') return undefined;
  const message = `the last measurement is inconclusive: ${counts.detail ?? 'no data'}; ${progress(metric, counts)}`;
  return { verdict: 'Running', message };
}

function tooFew(metric: PlannedMetric, counts: MetricCounts): Judgement | undefined {
  if (judged(counts) >= metric.count) return undefined;
  return { verdict: 'Running', message: `${progress(metric, counts)}${last(counts)}` };
}

/** After a downtime the operator must not continue on old measurements. */
function stale(metric: PlannedMetric, counts: MetricCounts, now: number): Judgement | undefined {
  if (!metric.continuous || counts.lastMeasuredAt === undefined) return undefined;
  const ageMs = now - Date.parse(counts.lastMeasuredAt);
  if (ageMs <= FRESH_INTERVALS * metric.intervalMs + metric.timeoutMs) return undefined;
  return {
    verdict: 'Running',
    message: `waiting for a new measurement, the last one was at ${counts.lastMeasuredAt}`,
  };
}

function progress({ count }: PlannedMetric, counts: MetricCounts): string {
  const done = Math.min(judged(counts), count);
  const failures = counts.failures > 0 ? `, ${counts.failures} failed` : '';
  const where = counts.atStep === undefined ? '' : ' at this step';
  return `${done} of ${count} ${count === 1 ? 'measurement' : 'measurements'}${where}${failures}`;
}

function last({ detail }: MetricCounts): string {
  return detail ? `; last result: ${detail}` : '';
}
