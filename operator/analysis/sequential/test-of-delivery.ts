/** Which test of a delivery a measurement belongs to. Pure: from the status, and written to it. */
import type { AnalysisStatus } from '../../api/v1alpha1/status/analysis.js';
import type { PlannedMetric } from '../analysis-model.js';
import type { MetricCounts } from '../measurement-record.js';

/** Weight that is in effect, in percent, and since when. Counts of different weights are different tests. */
export type EffectiveWeight = Required<Pick<AnalysisStatus, 'weight' | 'weightSince'>>;

export function effectiveWeight(
  weight: number,
  before: AnalysisStatus | undefined,
  now: number,
): EffectiveWeight {
  const since = before?.weight === weight ? before.weightSince : undefined;
  return { weight, weightSince: since ?? new Date(now).toISOString() };
}

/**
 * Start of the test: the initial delay has ended, and the weight and the step are in effect. Consecutive tests have
 * no requests in common, because their e-values are multiplied: after an edit of the initial delay, the test
 * continues, or the next one starts where it ends.
 */
export function startOfTest(
  { initialDelayMs }: PlannedMetric,
  { since, sequential }: MetricCounts,
  weightSince: string,
  stepSince: string = weightSince,
): number {
  const start = Math.max(Date.parse(since) + initialDelayMs, Date.parse(weightSince), Date.parse(stepSince));
  if (!sequential) return start;
  const startOfLast = Date.parse(sequential.since);
  const endOfLast = Date.parse(sequential.history.at(-1)?.at ?? sequential.since);
  return start <= startOfLast ? startOfLast : Math.max(start, endOfLast);
}

/** Log evidence of the earlier tests of the metric in the delivery; 0 without any. */
export function evidenceOfEarlier(
  { name, sequential }: MetricCounts,
  start: number,
  kept: AnalysisStatus['evidence'] = [],
): number {
  if (!sequential) return kept.find(({ metric }) => metric === name)?.value ?? 0;
  return Date.parse(sequential.since) === start ? sequential.earlierEvidence : sequential.evidence;
}

/** Evidence of tests of the delivery whose metrics have no newer result: they are not measured at this step, or not yet. */
export function keptEvidence(
  before: AnalysisStatus | undefined,
  results: readonly MetricCounts[],
): Pick<AnalysisStatus, 'evidence'> {
  const measured = (before?.metrics ?? []).flatMap(({ name, sequential }) =>
    sequential ? [{ metric: name, value: sequential.evidence }] : [],
  );
  const newer = new Set(measured.map(({ metric }) => metric));
  const all = [...(before?.evidence ?? []).filter(({ metric }) => !newer.has(metric)), ...measured];
  const left = all.filter(({ metric }) => !results.some((it) => it.name === metric && it.sequential));
  return left.length > 0 ? { evidence: left } : {};
}
