/** What analysis is about, and what it passes on. Plain data: no clock, no Kubernetes objects. */
import type { MetricSpec } from '../api/v1alpha1/spec/analysis.js';
import type { Outcome, Verdict } from '../api/v1alpha1/status/analysis.js';

/** What is judged. */
export interface Subject {
  namespace: string;
  name: string;
  /** The revision on its way. */
  revision: string;
  stableRevision?: string;
  /** Image of the revision on its way. */
  image: string;
  /** When its delivery began. The same revision may be tried again, and is judged again then. */
  startedAt?: string;
  /** Share of the traffic it gets now, in percent. */
  weight: number;
}

/** A metric with its pace, as it holds at one step of a delivery. Times are in milliseconds. */
export interface PlannedMetric {
  name: string;
  spec: MetricSpec;
  intervalMs: number;
  initialDelayMs: number;
  count: number;
  failureLimit: number;
  inconclusiveLimit: number;
  /** Longest time that a measurement may take. */
  timeoutMs: number;
  /** Measured on after its count is full, for as long as the delivery lasts. */
  continuous: boolean;
}

/** One measurement that is due. The name, since when its metric counts, and its number make it that one and no other. */
export interface Due {
  name: string;
  since: string;
  number: number;
}

/** A value of one series; the labels tell it from the others of the same answer. */
export interface Sample {
  labels: Record<string, string>;
  value: number;
}

/** What a provider found out. */
export type Reading =
  | { type: 'Samples'; samples: Sample[]; stable?: Sample[]; note?: string }
  | { type: 'Verdict'; outcome: Exclude<Outcome, 'Error'>; value?: number; message?: string };

/** What became of one measurement that was due. */
export interface Measurement extends Due {
  /** When it was taken: ISO 8601. */
  at: string;
  /** When it was begun, as far as that is known; a Job takes its time. */
  begunAt?: string;
  outcome: Outcome;
  value?: string;
  stableValue?: string;
  detail?: string;
}

export interface Judgement {
  verdict: Verdict;
  message: string;
}
