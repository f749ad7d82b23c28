/** Data types of analyses. Plain data: no clock, no Kubernetes objects. */
import type { MetricSpec } from '../api/v1alpha1/spec/analysis.js';
import type { Outcome, SequentialStatus, Verdict } from '../api/v1alpha1/status/analysis.js';

/** Subject of an analysis. */
export interface Subject {
  namespace: string;
  name: string;
  /** The revision being delivered. */
  revision: string;
  stableRevision?: string;
  /** Image of the revision being delivered. */
  image: string;
  /** Start of its delivery. A retry of the same revision is a new subject. */
  startedAt?: string;
  /** Its current weight, in percent. */
  weight: number;
}

/** A metric with its timing at a step of a delivery. Times are in milliseconds. */
export interface PlannedMetric {
  name: string;
  spec: MetricSpec;
  intervalMs: number;
  initialDelayMs: number;
  count: number;
  failureLimit: number;
  inconclusiveLimit: number;
  /** Maximum duration of a measurement. */
  timeoutMs: number;
  /** Whether it is measured after `count` was reached, until the end of the delivery. */
  continuous: boolean;
}

/** A due measurement. It is identified by the name of the metric, the start of its counts, and its number. */
export interface Due {
  name: string;
  since: string;
  number: number;
}

/** A value of one series. Labels distinguish series of the same result. */
export interface Sample {
  labels: Record<string, string>;
  value: number;
}

/**
 * Cumulative counts of a revision, as series whose labels name what they count. The narrow window of a revision is
 * within the wide window of the other one, although Prometheus scrapes their pods at different times.
 */
export interface Windows {
  narrow: Sample[];
  wide: Sample[];
  /** Duration of the wide window, from the times of its samples; the mean of the processes. */
  wideSeconds: number;
}

export interface CountsReading {
  type: 'Counts';
  /** Start of the test and time of the measurement in milliseconds since the epoch. */
  since: number;
  at: number;
  canary: Windows;
  stable: Windows;
  /** Why the counts are incomplete. */
  note?: string;
}

/** Result of a provider. */
export type Reading =
  | CountsReading
  | { type: 'Samples'; samples: Sample[]; stable?: Sample[]; note?: string }
  | { type: 'Verdict'; outcome: Exclude<Outcome, 'Error'>; value?: number; message?: string };

/** Fields of a measurement that depend on the result of the provider. */
export interface Evaluation {
  outcome: Outcome;
  value?: string;
  stableValue?: string;
  detail?: string;
  sequential?: Interval;
}

/** Result of a due measurement. */
export interface Measurement extends Due {
  /** Time of the measurement in ISO 8601. */
  at: string;
  /** Start of the measurement, if known. It differs from `at` for a Job. */
  begunAt?: string;
  outcome: Outcome;
  value?: string;
  stableValue?: string;
  detail?: string;
  sequential?: Interval;
}

/** Interval of a sequential test. Its history is in the status. */
export type Interval = Omit<SequentialStatus, 'history'>;

export interface Judgement {
  verdict: Verdict;
  message: string;
}
