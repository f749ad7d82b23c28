/**
 * Interface between reconciles and analyses: one call, which counts new measurements, starts due ones,
 * returns a verdict, and does not wait.
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { AnalysisSpec } from '../api/v1alpha1/spec/analysis.js';
import type { AnalysisStatus } from '../api/v1alpha1/status/analysis.js';
import type { PlannedMetric, Subject } from './analysis-model.js';
import { due, nextDueMs } from './due.js';
import { judge } from './judge.js';
import { align, fresh, type MetricCounts, recordAt } from './measurement-record.js';
import { type AnalysisStep, planMetrics } from './plan-metrics.js';
import type { AnalysisScheduler } from './scheduler.js';
import {
  effectiveWeight,
  evidenceOfEarlier,
  keptEvidence,
  startOfTest,
} from './sequential/test-of-delivery.js';

export interface AnalysisCase {
  api: PcfApi;
  analysis: AnalysisSpec;
  subject: Subject;
  /** Steps of the strategy, and index of the step whose weight is in effect. */
  steps?: readonly AnalysisStep[];
  step?: number;
  /**
   * Start of that step: measurements since then count for it. Undefined: all measurements of the delivery
   * count.
   */
  stepSince?: string;
  /** Last written `status.analysis`. */
  before?: AnalysisStatus;
}

export interface AnalysisOutcome {
  /** New `status.analysis`. Verdict and message are inputs of the planner. */
  status: AnalysisStatus;
  /** Delay of the next call without an event. In milliseconds. */
  requeueAfterMs?: number;
}

export class Analyst {
  /**
   * Start of the counts of each PcfApi, until it is in the status. Otherwise each reconcile would start a
   * measurement while the status can't be written.
   */
  private readonly begun = new Map<string, { id: string; counts: MetricCounts[] }>();

  constructor(private readonly scheduler: Pick<AnalysisScheduler, 'finished' | 'schedule' | 'forget'>) {}

  /** `key`: key of the PcfApi in the work queue. `now`: milliseconds since the epoch. */
  look(key: string, given: AnalysisCase, now: number): AnalysisOutcome {
    const { api, analysis, subject, step, stepSince } = given;
    const before = ofDelivery(given);
    const effective = effectiveWeight(subject.weight, before, now);
    const planned = planMetrics(analysis, given.steps, step);
    const measured = this.scheduler.finished(key, subject.revision);
    const begun = this.start(key, given, planned, now);
    const results = measured.reduce(recordAt(stepSince), begun);
    const requests = due(planned, results, now).map((it) => {
      const metric = planned.find(({ name }) => name === it.name)!;
      const counts = results.find(({ name }) => name === it.name)!;
      const countFrom = startOfTest(metric, counts, effective.weightSince, stepSince);
      const earlierEvidence = evidenceOfEarlier(counts, countFrom, before?.evidence);
      return { api, analysis, subject, metric, due: it, at: now, countFrom, earlierEvidence };
    });
    this.scheduler.schedule(
      key,
      requests,
      planned.map(({ name }) => name),
    );
    const { verdict, message, perMetric } = judge(planned, results, now, stepSince);
    return {
      status: {
        revision: subject.revision,
        ...(subject.startedAt === undefined ? {} : { startedAt: subject.startedAt }),
        ...(step === undefined ? {} : { step }),
        ...(stepSince === undefined ? {} : { stepSince }),
        ...(planned.some(({ spec }) => spec.sequential) ? effective : {}),
        verdict,
        message,
        metrics: perMetric,
        ...keptEvidence(before, results),
      },
      requeueAfterMs: nextDueMs(planned, results, now),
    };
  }

  /** No analysis is required, or no longer. */
  forget(key: string): void {
    this.begun.delete(key);
    this.scheduler.forget(key);
  }

  /** Counts of the status, and initial counts for metrics that it does not contain. */
  private start(
    key: string,
    given: AnalysisCase,
    planned: readonly PlannedMetric[],
    now: number,
  ): MetricCounts[] {
    const { subject, step, stepSince } = given;
    const id = JSON.stringify([subject.revision, subject.startedAt, step]);
    const known = this.begun.get(key);
    const begun = known?.id === id ? known.counts : [];
    const counts = align(planned, [...countsOf(given, planned), ...begun], now, stepSince);
    this.begun.set(key, { id, counts: counts.map(({ name, since }) => fresh(name, Date.parse(since))) });
    return counts;
  }
}

/** The last written status, if it is of this delivery. */
function ofDelivery({ before, subject }: AnalysisCase): AnalysisStatus | undefined {
  const isSame = before?.revision === subject.revision && before.startedAt === subject.startedAt;
  return isSame ? before : undefined;
}

/** Counts of this delivery. Metrics of a step, and counts per step, restart with the step. */
function countsOf(given: AnalysisCase, planned: readonly PlannedMetric[]): MetricCounts[] {
  const { step, stepSince } = given;
  const before = ofDelivery(given);
  if (!before) return [];
  const sameStep = before.step === step;
  const continuous = new Set(planned.filter((metric) => metric.continuous).map(({ name }) => name));
  return before.metrics
    .filter(({ name }) => sameStep || continuous.has(name))
    .map(({ verdict: _verdict, message: _message, bound: _bound, atStep, ...counts }) =>
      before.stepSince === stepSince && atStep !== undefined ? { ...counts, atStep } : counts,
    );
}
