/** `status.analysis`: what was measured, small enough to live in the object. It is read back: a restart neither repeats nor loses a count. */
import { z } from 'zod';
import { longText, shortText, time } from '../kubernetes.js';

const count = (description: string) =>
  z.int().min(0).max(1_000_000_000).meta({ description, format: 'int32' });

export const OUTCOMES = ['Success', 'Failure', 'Inconclusive', 'Error'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const VERDICTS = ['Running', 'Passed', 'Failed', 'Inconclusive', 'Unavailable'] as const;
export type Verdict = (typeof VERDICTS)[number];

export const metricStatus = z.strictObject({
  name: shortText.meta({ description: 'Name of the metric in the spec.' }),
  verdict: z.enum(VERDICTS).meta({
    description:
      '`Passed`: the delivery may continue. `Failed`: it is aborted. `Running`, `Inconclusive` (no data) and `Unavailable` (could not be measured): it waits.',
  }),
  message: longText.meta({ description: 'Reason of the verdict, as a sentence.' }),
  bound: shortText.meta({ description: 'Bound that its values are compared with.' }),
  value: shortText.optional().meta({ description: 'Last value of the new revision.' }),
  stableValue: shortText
    .optional()
    .meta({ description: 'Value of the stable revision at that time, where they are compared.' }),
  since: time('When counting began: with the delivery, or with the step that names the metric.'),
  measurements: count('Measurements taken since then.'),
  failures: count('Of these, how many failed.'),
  inconclusive: count('Of these, how many said nothing: no data, or NaN.'),
  errors: count('Of these, how many could not be taken.'),
  atStep: count(
    'Since the share of the step is in force, how many succeeded or failed. A metric that no step names has it.',
  ).optional(),
  lastMeasuredAt: time('When the last one was taken.').optional(),
  outcome: z.enum(OUTCOMES).optional().meta({ description: 'What became of the last one.' }),
  outcomeSince: time('Since when every measurement has had that outcome.').optional(),
  inARow: count('How many measurements in a row had that outcome.'),
  detail: longText.optional().meta({ description: 'Details of the last measurement.' }),
});
export type MetricStatus = z.output<typeof metricStatus>;

export const analysisStatus = z.strictObject({
  revision: shortText.meta({ description: 'Revision under analysis.' }),
  startedAt: time('When its delivery began: a retry is judged again.').optional(),
  step: z
    .int()
    .min(0)
    .max(1000)
    .optional()
    .meta({ description: 'The step that its counts are for.', format: 'int32' }),
  stepSince: time(
    'When the share of that step was first in force: it is passed by measurements since.',
  ).optional(),
  verdict: z.enum(VERDICTS).meta({ description: 'Of all metrics together.' }),
  message: longText.meta({
    description: 'Condition that the analysis waits for, or the cause of its failure.',
  }),
  metrics: z.array(metricStatus).max(64).meta({
    description: 'Each metric that is measured at this step.',
    // Not a map: server-side apply makes null of one that loses its last item, and refuses that.
    'x-kubernetes-list-type': 'atomic',
  }),
});
export type AnalysisStatus = z.output<typeof analysisStatus>;
