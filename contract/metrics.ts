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
  /** Start of the process, in seconds since the epoch. */
  processStart: 'process_start_time_seconds',
  jobDuration: JOB_DURATION,
  jobBuckets: `${JOB_DURATION}_bucket`,
  jobCount: `${JOB_DURATION}_count`,
  /** Queue of a job: its type. */
  queueLabel: 'queue',
  /** `ok` or `error`, per attempt. */
  outcomeLabel: 'outcome',
} as const;

/**
 * PromQL: increase of a counter in the window, per group. `increase` ignores the first sample of a series, and with
 * it what a new pod counted before its first scrape, which can be all of its errors. Series that did not exist
 * before the window start at 0. `selector`: with braces; `range`: a duration of Prometheus.
 */
export function countedIncrease(
  counter: string,
  selector: string,
  range: string,
  by: readonly string[] = [],
): string {
  const series = `${counter}${selector}`;
  const known = `(increase(${series}[${range}]) and ${series} offset ${range})`;
  const added = `(max_over_time(${series}[${range}]) unless ${series} offset ${range})`;
  return `sum by (${by.join(', ')}) (${known} or ${added})`;
}
