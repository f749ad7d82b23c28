/**
 * Metrics of the API that analyses use. GraphQL errors have HTTP status 200, so only the API can count them.
 */
const DURATION = 'graphql_operation_duration_seconds';
/** Of the worker. */
const JOB_DURATION = 'pcf_api_job_duration_seconds';

export const METRICS = {
  operationBuckets: `${DURATION}_bucket`,
  operationCount: `${DURATION}_count`,
  /** Counter of operations whose response has errors. */
  operationErrors: 'graphql_operation_errors_total',
  operationLabel: 'operation',
  jobDuration: JOB_DURATION,
  jobBuckets: `${JOB_DURATION}_bucket`,
  jobCount: `${JOB_DURATION}_count`,
  /** Queue of a job: its type. */
  queueLabel: 'queue',
  /** `ok` or `error`, per attempt. */
  outcomeLabel: 'outcome',
} as const;
