/** Counts of a revision per operation, from the series of {@link countsQuery}. */
import { METRICS } from '../../../contract/metrics.js';
import type { Sample } from '../analysis-model.js';
import { COUNTED, COUNTED_LABEL } from './counts-query.js';

/** Counts of one operation, or of all together. */
export interface OperationCounts {
  /** Requests since the start of the step. */
  requests: number;
  errors: number;
  /** Requests at or below each boundary of the histogram, in seconds. Cumulative. */
  buckets: Map<number, number>;
  /** The same counters at the start of the step, since the start of the processes. */
  totalRequests: number;
  totalErrors: number;
  totalBuckets: Map<number, number>;
}

/** By operation. Without `perOperation`, the only key is the empty string. */
export type RevisionCounts = ReadonlyMap<string, OperationCounts>;

/** A sample that is not a number makes the counts of its operation and their sum unusable: NaN. */
export function revisionCounts(samples: readonly Sample[]): RevisionCounts {
  const counts = new Map<string, OperationCounts>();
  for (const { labels, value } of samples) {
    const operation = labels[METRICS.operationLabel] ?? '';
    const of = counts.get(operation) ?? noCounts();
    counts.set(operation, of);
    add(of, labels, Number.isFinite(value) ? value : Number.NaN);
  }
  return counts;
}

/** Sum over the operations. */
export function together(counts: RevisionCounts): OperationCounts {
  const sum = noCounts();
  for (const of of counts.values()) {
    sum.requests += of.requests;
    sum.errors += of.errors;
    sum.totalRequests += of.totalRequests;
    sum.totalErrors += of.totalErrors;
    for (const [le, count] of of.buckets) increase(sum.buckets, le, count);
    for (const [le, count] of of.totalBuckets) increase(sum.totalBuckets, le, count);
  }
  return sum;
}

function noCounts(): OperationCounts {
  const [buckets, totalBuckets] = [new Map<number, number>(), new Map<number, number>()];
  return { requests: 0, errors: 0, buckets, totalRequests: 0, totalErrors: 0, totalBuckets };
}

function add(of: OperationCounts, labels: Record<string, string>, value: number): void {
  const le = Number(labels.le?.replace('Inf', 'Infinity'));
  switch (labels[COUNTED_LABEL]) {
    case COUNTED.requests:
      of.requests += value;
      break;
    case COUNTED.errors:
      of.errors += value;
      break;
    case COUNTED.totalRequests:
      of.totalRequests += value;
      break;
    case COUNTED.totalErrors:
      of.totalErrors += value;
      break;
    case COUNTED.buckets:
      increase(of.buckets, le, value);
      break;
    case COUNTED.totalBuckets:
      increase(of.totalBuckets, le, value);
      break;
  }
}

function increase(counts: Map<number, number>, key: number, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
