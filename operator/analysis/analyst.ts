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

/** At least the scrape interval of Prometheus. */
const SETTLE_MS = 60_000;

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
    const planned = planMetrics(analysis, given.steps, step);
    const measured = this.scheduler.finished(key, subject.revision);
    const begun = this.start(key, given, planned, now);
    const results = measured.reduce(recordAt(stepSince), begun);
    const requests = due(planned, results, now).map((it) => {
      const metric = planned.find(({ name }) => name === it.name)!;
      const counts = results.find(({ name }) => name === it.name)!;
      const from = countFrom(metric, counts, given);
      return { api, analysis, subject, metric, due: it, at: now, countFrom: from };
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
        verdict,
        message,
        metrics: perMetric,
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

/**
 * Start of the counts of a sequential test: the initial delay has ended, and the weight of the step is in effect.
 * After an earlier weight with requests it is later, because the last samples of the counters before the step,
 * which are subtracted, are up to one scrape interval old: requests of two weights must not be added up.
 */
function countFrom(
  { initialDelayMs }: PlannedMetric,
  { since, sequential }: MetricCounts,
  { steps = [], step = 0, stepSince }: AnalysisCase,
): number {
  const start = Date.parse(since) + initialDelayMs;
  if (stepSince === undefined) return start;
  const first = Math.max(start, Date.parse(stepSince));
  const hadRequests = steps.slice(0, step).some(({ weight }) => weight !== 0);
  const hadCounts = sequential !== undefined && Date.parse(sequential.since) !== first;
  return hadRequests || hadCounts ? Math.max(start, Date.parse(stepSince) + SETTLE_MS) : first;
}

/** Counts of this delivery. Metrics of a step, and counts per step, restart with the step. */
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
