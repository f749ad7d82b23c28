/**
 * The API's own metrics that the operator judges a revision by. A GraphQL error is an
 * HTTP 200, so only the API can count them.
 */
const DURATION = 'graphql_operation_duration_seconds';

export const METRICS = {
  operationBuckets: `${DURATION}_bucket`,
  operationCount: `${DURATION}_count`,
  /** Counter of the operations whose answer has errors. */
  operationErrors: 'graphql_operation_errors_total',
  operationLabel: 'operation',
} as const;
