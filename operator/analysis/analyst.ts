/**
 * The seam between a reconcile and analysis: one call, which counts in what was
 * measured, starts what is due, judges, and waits for nothing.
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

export interface AnalysisCase {
  api: PcfApi;
  analysis: AnalysisSpec;
  subject: Subject;
  /** The strategy's steps, and the index of the one whose share is in force. */
  steps?: readonly AnalysisStep[];
  step?: number;
  /** When that step began: it is passed by what was measured since. Undefined: what counts is the whole delivery. */
  stepSince?: string;
  /** `status.analysis` as it was written last. */
  before?: AnalysisStatus;
}

export interface AnalysisOutcome {
  /** To be written to `status.analysis`; its verdict and message are for the planner. */
  status: AnalysisStatus;
  /** When to look again though nothing is told. In milliseconds. */
  requeueAfterMs?: number;
}

export class Analyst {
  /**
   * When the counts of each PcfApi began, until the status says so. Were they to begin
   * again with each look while it can't be written, each look would measure.
   */
  private readonly begun = new Map<string, { id: string; counts: MetricCounts[] }>();

  constructor(private readonly scheduler: Pick<AnalysisScheduler, 'finished' | 'schedule' | 'forget'>) {}

  /** `key` is the PcfApi's in the work queue; `now` is in milliseconds since the epoch. */
  look(key: string, given: AnalysisCase, now: number): AnalysisOutcome {
    const { api, analysis, subject, step, stepSince } = given;
    const planned = planMetrics(analysis, given.steps, step);
    const measured = this.scheduler.finished(key, subject.revision);
    const begun = this.start(key, given, planned, now);
    const results = measured.reduce(recordAt(stepSince), begun);
    const requests = due(planned, results, now).map((it) => ({
      ...{ api, analysis, subject, due: it, at: now },
      metric: planned.find(({ name }) => name === it.name)!,
    }));
    this.scheduler.schedule(
      key,
      requests,
      planned.map(({ name }) => name),
    );
    const { verdict, message, perMetric } = judge(planned, results, now);
    return {
      status: {
        revision: subject.revision,
        ...(subject.startedAt === undefined ? {} : { startedAt: subject.startedAt }),
        ...(step === undefined ? {} : { step }),
        ...(stepSince === undefined ? {} : { stepSince }),
        verdict,
        message,
        metrics: perMetric,
      },
      requeueAfterMs: nextDueMs(planned, results, now),
    };
  }

  /** There is nothing to analyse (any more). */
  forget(key: string): void {
    this.begun.delete(key);
    this.scheduler.forget(key);
  }

  /** The counts of the status, and for metrics that it does not have yet those that began. */
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

/** What was counted in this delivery. A metric that belongs to a step begins again with the step, and so does what is counted for a step. */
function countsOf(
  { before, subject, step, stepSince }: AnalysisCase,
  planned: readonly PlannedMetric[],
): MetricCounts[] {
  if (before?.revision !== subject.revision || before.startedAt !== subject.startedAt) return [];
  const sameStep = before.step === step;
  const continuous = new Set(planned.filter((metric) => metric.continuous).map(({ name }) => name));
  return before.metrics
    .filter(({ name }) => sameStep || continuous.has(name))
    .map(({ verdict: _verdict, message: _message, bound: _bound, atStep, ...counts }) =>
      before.stepSince === stepSince && atStep !== undefined ? { ...counts, atStep } : counts,
    );
}
