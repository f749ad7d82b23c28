/** Rate, errors and duration of each GraphQL operation, and how well loaders batch. */
import { Counter, Histogram, type Registry } from 'prom-client';
import { boundedNames } from './bounded-names.js';

/** Few, because each is a series of every operation. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5];
const BATCHES = [1, 2, 5, 10, 20, 50, 100];

/**
 * An operation is its type and name. Each has a histogram (8 buckets, +Inf, sum and
 * count) and an error counter: 12 series. With `other`, `anonymous` and `invalid`
 * of each type that stays below 1,000 series, whatever clients send.
 */
export const MAX_OPERATIONS = 70;

export interface OperationMetrics {
  graphqlOperation(labels: { operation?: string; type: string; outcome: string }, seconds: number): void;
  /** A loader has read so many keys with one statement. */
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
      if (outcome === 'error') errors.inc(labels);
    },
    loaderBatch: (loader, keys) => batches.observe({ loader }, keys),
  };
}

/** A client may use one name for operations of every type, and each pair is a series. */
function boundedOperations(max: number): (type: string, name: string | undefined) => string {
  const pairOf = boundedNames(max);
  return (type, name) => {
    if (!name) return 'anonymous';
    return pairOf(`${type} ${name}`) === 'other' ? 'other' : name;
  };
}
