/** Rate, errors and duration of GraphQL operations, and batch sizes of data loaders. */
import { Counter, Histogram, type Registry } from 'prom-client';
import { boundedNames } from './bounded-names.js';

/** Few buckets, because each one is a time series per operation. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5];
const BATCHES = [1, 2, 5, 10, 20, 50, 100];

/**
 * Operations are labeled by type and name. Each one has a histogram (8 buckets, +Inf, sum and
 * count) and an error counter: 12 series. Together with `other`, `anonymous` and `invalid` per
 * type, there are less than 1,000 series.
 */
export const MAX_OPERATIONS = 70;

export interface OperationMetrics {
  graphqlOperation(labels: { operation?: string; type: string; outcome: string }, seconds: number): void;
  /** Records the number of keys of one batch. */
  loaderBatch(loader: string, keys: number): void;
}

export function operationMetrics(registry: Registry): OperationMetrics {
  const registers = [registry];
  const duration = new Histogram({
    name: 'graphql_operation_duration_seconds',
    help: `Duration of GraphQL operations in seconds, by name. Names after the first ${MAX_OPERATIONS} are counted as other.`,
    labelNames: ['operation', 'type'] as const,
    buckets: BUCKETS,
    registers,
  });
  const errors = new Counter({
    name: 'graphql_operation_errors_total',
    help: 'GraphQL operations that failed.',
    labelNames: ['operation', 'type'] as const,
    registers,
  });
  const batches = new Histogram({
    name: 'pcf_api_loader_batch_keys',
    help: 'Keys per batch of a data loader. A median of 1 means that it does not batch.',
    labelNames: ['loader'] as const,
    buckets: BATCHES,
    registers,
  });
  const operationOf = boundedOperations(MAX_OPERATIONS);
  return {
    graphqlOperation: ({ operation: given, type, outcome }, seconds) => {
      const labels = { operation: operationOf(type, given), type };
      duration.observe(labels, seconds);
      // From the first request on, so that a restart of the process is visible as a reset of both counters.
      errors.inc(labels, outcome === 'error' ? 1 : 0);
    },
    loaderBatch: (loader, keys) => batches.observe({ loader }, keys),
  };
}

/** Bounds pairs of type and name, because clients can use one name for several types. */
function boundedOperations(max: number): (type: string, name: string | undefined) => string {
  const pairOf = boundedNames(max);
  return (type, name) => {
    if (!name) return 'anonymous';
    return pairOf(`${type} ${name}`) === 'other' ? 'other' : name;
  };
}
