/**
 * Metrics of the API that analyses use. GraphQL errors have HTTP status 200, so only the API can count them.
 */
const DURATION = 'graphql_operation_duration_seconds';

export const METRICS = {
  operationBuckets: `${DURATION}_bucket`,
  operationCount: `${DURATION}_count`,
  /** Counter of operations whose response has errors. */
  operationErrors: 'graphql_operation_errors_total',
  operationLabel: 'operation',
} as const;
