/** `status.analysis`: results of the measurements. The operator reads it back, so that a restart neither repeats nor loses a count. */
import { z } from 'zod';
import { longText, shortText, time } from '../kubernetes.js';

const count = (description: string) =>
  z.int().min(0).max(1_000_000_000).meta({ description, format: 'int32' });

export const OUTCOMES = ['Success', 'Failure', 'Inconclusive', 'Error'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const VERDICTS = ['Running', 'Passed', 'Failed', 'Inconclusive', 'Unavailable'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** Maximum number of points of the history of an interval. */
export const MAX_INTERVALS = 24;

const difference = (description: string) => z.number().min(-1).max(1).meta({ description });
const requests = (description: string) =>
  z
    .number()
    .min(0)
    .max(1e15)
    .meta({ description: `${description} since \`since\`.` });

/** Log e-values. In a status of an earlier version they are missing. */
const evidence = (description: string) =>
  z
    .number()
    .min(-1e6)
    .max(1e6)
    .default(0)
    .meta({ description: `Natural logarithm of the e-value ${description}.` });

export const sequentialStatus = z.strictObject({
  since: time(
    'Start of the test: the weight took effect, the step started, or the initial delay ended. A change of the effective weight starts a new test.',
  ),
  operation: shortText
    .optional()
    .meta({ description: 'GraphQL operation with the regression. Unset: all operations together.' }),
  boundary: z
    .number()
    .min(0)
    .max(1e6)
    .optional()
    .meta({ description: 'For latency: requests above this boundary, in seconds, are counted as slow.' }),
  estimate: difference(
    'Increase of the share of failed or slow requests, compared with the stable revision. Positive: worse.',
  ),
  lower: difference('Lower bound of the increase. Above 0, the delivery is aborted.'),
  upper: difference('Upper bound of the increase. Below `minEffect`, the step has passed.'),
  minEffect: difference('Smallest relevant increase.'),
  detectable: difference(
    'Increase that is detected with a probability of about 95 % within the time budget, at the traffic so far.',
  ).optional(),
  requests: requests('Requests of the new revision'),
  stableRequests: requests('Requests of the stable revision'),
  evidence: evidence(
    'that the new revision is worse, with that of earlier tests. The delivery is aborted when one hypothesis brings it to -ln(alpha), which is 4.6 for an alpha of 0.01',
  ),
  earlierEvidence: evidence('of the earlier tests of the delivery'),
  history: z
    .array(
      z.strictObject({
        at: time('Time of the measurement.'),
        lower: difference('Lower bound.'),
        upper: difference('Upper bound.'),
      }),
    )
    .max(MAX_INTERVALS)
    .meta({
      description: 'Earlier intervals of this test, oldest first, at most 24.',
      'x-kubernetes-list-type': 'atomic',
    }),
});
export type SequentialStatus = z.output<typeof sequentialStatus>;

export const metricStatus = z.strictObject({
  name: shortText.meta({ description: 'Name of the metric in the spec.' }),
  verdict: z.enum(VERDICTS).meta({
    description:
      '`Passed`: the delivery may continue. `Failed`: it is aborted. `Running`, `Inconclusive` (no data) and `Unavailable` (errors of the provider): it waits.',
  }),
  message: longText.meta({ description: 'Reason of the verdict, as a sentence.' }),
  bound: shortText.meta({ description: 'Bounds that the values are compared with.' }),
  value: shortText.optional().meta({ description: 'Last value of the new revision.' }),
  stableValue: shortText
    .optional()
    .meta({ description: 'Value of the stable revision in the same window, with compareWithStable.' }),
  since: time('Start of the counts: start of the delivery, or of the step that names the metric.'),
  measurements: count('Number of measurements since then.'),
  failures: count('Number of failed measurements.'),
  inconclusive: count('Number of inconclusive measurements: no data, or NaN.'),
  errors: count('Number of measurements with an error of the provider.'),
  atStep: count(
    'Number of measurements with a result since the weight of the step took effect. Only for metrics that no step names.',
  ).optional(),
  lastMeasuredAt: time('Time of the last measurement.').optional(),
  outcome: z.enum(OUTCOMES).optional().meta({ description: 'Outcome of the last measurement.' }),
  outcomeSince: time('Time of the first of the consecutive measurements with that outcome.').optional(),
  inARow: count('Number of consecutive measurements with that outcome.'),
  detail: longText.optional().meta({ description: 'Details of the last measurement.' }),
  sequential: sequentialStatus
    .optional()
    .meta({ description: 'Interval of the regression, for a metric with `sequential`.' }),
});
export type MetricStatus = z.output<typeof metricStatus>;

export const analysisStatus = z.strictObject({
  revision: shortText.meta({ description: 'Revision under analysis.' }),
  startedAt: time('Start of its delivery. A retry starts a new analysis.').optional(),
  step: z
    .int()
    .min(0)
    .max(1000)
    .optional()
    .meta({ description: 'Step that the counts refer to, from 0.', format: 'int32' }),
  stepSince: time(
    'Time at which the weight of that step took effect. Measurements since then count for the step.',
  ).optional(),
  weight: z.int().min(0).max(100).optional().meta({
    description: 'Effective weight during the sequential tests in progress, in percent.',
    format: 'int32',
  }),
  weightSince: time('Time since which that weight is in effect.').optional(),
  verdict: z.enum(VERDICTS).meta({ description: 'Verdict on all metrics together.' }),
  message: longText.meta({
    description: 'Condition that the analysis waits for, or the cause of its failure.',
  }),
  metrics: z.array(metricStatus).max(64).meta({
    description: 'Metrics that are measured at this step.',
    // Not a map: server-side apply sets a map list that loses its last item to null, which the schema rejects.
    'x-kubernetes-list-type': 'atomic',
  }),
  evidence: z
    .array(
      z.strictObject({
        metric: shortText.meta({ description: 'Name of the metric.' }),
        value: evidence('of its tests'),
      }),
    )
    .max(64)
    .optional()
    .meta({
      description:
        'Evidence of earlier sequential tests of this delivery, whose metrics have no newer result.',
      'x-kubernetes-list-type': 'atomic',
    }),
});
export type AnalysisStatus = z.output<typeof analysisStatus>;
