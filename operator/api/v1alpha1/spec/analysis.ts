/** Analysis of a new revision: metrics, their providers, and their bounds. */
import { z } from 'zod';
import { type CelRule, cel, dnsLabel, durationWithin } from '../kubernetes.js';
import {
  burnRate,
  job,
  jobDuration,
  jobFailureRate,
  latency,
  prometheus,
  successRate,
  webhook,
} from './analysis-sources.js';

/** Placeholders of a query. They are replaced before it is sent. */
export const PLACEHOLDERS = ['{{namespace}}', '{{name}}', '{{revision}}', '{{stableRevision}}'] as const;

const interval = durationWithin('1s', '24h').meta({
  description: 'Time between two measurements of a metric.',
});
const initialDelay = durationWithin('0s', '24h').meta({
  description: 'Time before the first measurement, so that the revision can warm up and receive requests.',
});
const count = z.int().min(1).max(1000).meta({
  description:
    'Number of measurements with a result (success or failure) before the delivery continues with the next step. Counted since the weight of the step took effect. Measurements without data do not count.',
  format: 'int32',
});
const failureLimit = z.int().min(0).max(1000).meta({
  description: 'Number of failed measurements that are tolerated. One more aborts the delivery.',
  format: 'int32',
});
const inconclusiveLimit = z.int().min(0).max(1000).meta({
  description:
    'Number of consecutive measurements without data (or NaN) that are tolerated. One more makes the analysis inconclusive. The delivery waits in both cases.',
  format: 'int32',
});

/** A value of a metric, with bounds that keep sums and differences exact enough for comparisons. */
export const figure = z.number().min(-1e15).max(1e15);

/** Overrides for one metric. */
const pace = {
  interval: interval.optional(),
  initialDelay: initialDelay.optional(),
  count: count.optional(),
  failureLimit: failureLimit.optional(),
  inconclusiveLimit: inconclusiveLimit.optional(),
};

const comparison = z
  .strictObject({
    better: z.enum(['Higher', 'Lower']).optional().meta({
      description:
        'Whether higher or lower values are better. Default for successRate: Higher; for latency, jobFailureRate and jobDuration: Lower.',
    }),
    absolute: figure.min(0).optional().meta({
      description: 'Allowed difference to the stable revision, in the unit of the metric.',
    }),
    relative: z.number().min(0).max(10_000).optional().meta({
      description:
        'Allowed difference to the stable revision, in percent of its value. With `absolute`, the larger of the two applies.',
    }),
  })
  .meta(
    cel({
      rule: 'has(self.absolute) || has(self.relative)',
      message: 'give absolute or relative: the allowed difference to the stable revision',
    }),
  );
export type Comparison = z.output<typeof comparison>;

const sequential = z.strictObject({
  alpha: z.number().min(1e-6).max(0.2).default(0.01).meta({
    description:
      'Probability of aborting a revision that is not worse than the stable one, over the whole delivery, and of passing a test with one that is worse by `minEffect`. Each step has a test, and each change of the weight starts another one.',
  }),
  minEffect: z.number().min(1e-4).max(10).optional().meta({
    description:
      'Smallest relevant regression. For successRate: decrease of the success rate, by default 0.01 (one percentage point). For latency: relative increase of the latency, by default 0.2 (20 %). The delivery continues when the regression is less than this with the confidence of `alpha`.',
  }),
  timeBudget: durationWithin('1m', '168h').default('1h').meta({
    description:
      'Time for a decision, from the first interval of a step on. After it the analysis is inconclusive: the delivery waits, and the measurements continue.',
  }),
});
export type SequentialTest = z.output<typeof sequential>;

/** The opposite direction inverts the verdict: the worse revision would be promoted. */
function betterIs(
  kind: 'successRate' | 'latency' | 'jobFailureRate' | 'jobDuration',
  direction: 'Higher' | 'Lower',
): CelRule {
  const better = 'self.compareWithStable.better';
  return {
    rule: `!has(self.${kind}) || !has(self.compareWithStable) || !has(${better}) || ${better} == '${direction}'`,
    message: `compareWithStable.better of ${kind} must be ${direction}`,
    fieldPath: '.compareWithStable.better',
  };
}

const metric = z
  .strictObject({
    name: dnsLabel.meta({ description: 'Name of the metric in status, messages and steps.' }),
    ...pace,
    successRate: successRate.optional().meta({
      description:
        'Share of GraphQL operations without an error, from 0 to 1, from the metrics of the API. The HTTP status does not show GraphQL errors: it is 200.',
    }),
    latency: latency.optional().meta({
      description:
        'Latency of GraphQL operations in seconds, from the histogram of the API. Its last bucket ends at 2.5, which is the largest value.',
    }),
    burnRate: burnRate.optional().meta({
      description:
        'Burn rate of the error budget, from the metrics of the API: 1 uses up the budget exactly. The smaller rate of two windows counts, and a rate above that of the preset fails. A new revision has no older requests, so its windows start with it.',
    }),
    jobFailureRate: jobFailureRate.optional().meta({
      description:
        'Share of attempts at background jobs that failed, from 0 to 1, from the metrics of the workers. Needs `components.worker.canary`.',
    }),
    jobDuration: jobDuration.optional().meta({
      description:
        'Duration of attempts at background jobs in seconds, from the histogram of the workers. Its last bucket ends at 60, which is the largest value. Needs `components.worker.canary`.',
    }),
    query: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .meta({
        description: `A PromQL query. ${PLACEHOLDERS.join(', ')} are replaced; put them in quotes. Every series of the result is judged.`,
        examples: ['sum(rate(errors_total{namespace="{{namespace}}",pcf_dev_revision="{{revision}}"}[2m]))'],
      }),
    webhook: webhook.optional().meta({ description: 'Measures with an HTTP service.' }),
    job: job.optional().meta({
      description:
        'Runs a Job per measurement, such as a smoke test. The measurement succeeds if the Job succeeds.',
    }),
    min: figure.optional().meta({ description: 'Minimum. A measurement below it fails.' }),
    max: figure.optional().meta({ description: 'Maximum. A measurement above it fails.' }),
    compareWithStable: comparison.optional().meta({
      description:
        'Comparison with the stable revision over the same window. The measurement fails if the difference exceeds these bounds.',
    }),
    sequential: sequential.optional().meta({
      description:
        'Sequential test against the stable revision, instead of bounds: it counts the requests of both revisions since the weight of the step took effect, aborts as soon as the regression is significant, and passes the step when the regression is less than `minEffect`. It is evaluated every 5 s, for successRate without an initial delay, unless the metric sets `interval` and `initialDelay`. `window` and `minRequests` do not apply.',
    }),
  })
  .meta(
    cel(
      {
        rule: '[has(self.successRate), has(self.latency), has(self.burnRate), has(self.jobFailureRate), has(self.jobDuration), has(self.query), has(self.webhook), has(self.job)].filter(given, given).size() == 1',
        message:
          'give exactly one of successRate, latency, burnRate, jobFailureRate, jobDuration, query, webhook and job',
      },
      {
        rule: 'has(self.webhook) || has(self.job) || has(self.burnRate) || has(self.min) || has(self.max) || has(self.compareWithStable) || has(self.sequential)',
        message: 'give a bound: min, max, compareWithStable or sequential',
      },
      {
        rule: '!has(self.sequential) || has(self.successRate) || has(self.latency)',
        message: 'sequential needs successRate or latency',
        fieldPath: '.sequential',
      },
      {
        rule: '!has(self.sequential) || !(has(self.min) || has(self.max) || has(self.compareWithStable) || has(self.count) || has(self.failureLimit) || has(self.inconclusiveLimit))',
        message:
          'sequential decides by itself: omit min, max, compareWithStable, count, failureLimit and inconclusiveLimit',
        fieldPath: '.sequential',
      },
      {
        rule: '!has(self.sequential) || !has(self.successRate) || !has(self.sequential.minEffect) || self.sequential.minEffect < 1.0',
        message: 'minEffect of successRate is a difference of rates: 1 percentage point is 0.01',
        fieldPath: '.sequential.minEffect',
      },
      {
        rule: '!has(self.job) || (!has(self.min) && !has(self.max))',
        message: 'min and max do not apply to job: a Job has no value',
      },
      {
        rule: '!has(self.burnRate) || (!has(self.min) && !has(self.max))',
        message: 'min and max do not apply to burnRate: its preset has the bound',
      },
      {
        rule: '!has(self.compareWithStable) || (!has(self.webhook) && !has(self.job) && !has(self.burnRate))',
        message: 'compareWithStable needs successRate, latency, jobFailureRate, jobDuration or query',
      },
      {
        rule: '!has(self.compareWithStable) || !has(self.query) || (has(self.compareWithStable.better) && self.query.contains("{{revision}}"))',
        message:
          'to compare a query with the stable revision, set compareWithStable.better and use {{revision}} in the query',
      },
      betterIs('successRate', 'Higher'),
      betterIs('latency', 'Lower'),
      betterIs('jobFailureRate', 'Lower'),
      betterIs('jobDuration', 'Lower'),
      {
        rule: `!has(self.query) || !self.query${PLACEHOLDERS.map((it) => `.replace('${it}', '')`).join('')}.contains('{{')`,
        message: `query contains an unknown placeholder; known are ${PLACEHOLDERS.join(', ')}`,
        fieldPath: '.query',
      },
      {
        rule: '!has(self.min) || !has(self.max) || self.min <= self.max',
        message: 'min must not be more than max',
        fieldPath: '.min',
      },
      {
        rule: '!has(self.successRate) || ((!has(self.min) || (self.min >= 0.0 && self.min <= 1.0)) && (!has(self.max) || (self.max >= 0.0 && self.max <= 1.0)))',
        message: 'a success rate is between 0 and 1: 99 % is 0.99',
        fieldPath: '.min',
      },
      {
        rule: '!has(self.jobFailureRate) || ((!has(self.min) || (self.min >= 0.0 && self.min <= 1.0)) && (!has(self.max) || (self.max >= 0.0 && self.max <= 1.0)))',
        message: 'a failure rate is between 0 and 1: 1 % is 0.01',
        fieldPath: '.max',
      },
    ),
  );
export type MetricSpec = z.output<typeof metric>;

export const analysis = z
  .strictObject({
    interval: interval.default('30s'),
    initialDelay: initialDelay.default('1m'),
    count: count.default(3),
    failureLimit: failureLimit.default(0),
    inconclusiveLimit: inconclusiveLimit.default(3),
    prometheus: prometheus.optional().meta({
      description:
        'Prometheus server for successRate, latency, burnRate, jobFailureRate, jobDuration and query.',
    }),
    metrics: z
      .array(metric)
      .min(1)
      .max(16)
      .meta({
        description:
          'Metrics. A metric that a step names is measured during that step; the others are measured during the whole delivery.',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name'],
      }),
  })
  .meta(
    cel({
      rule: 'has(self.prometheus) || self.metrics.all(m, has(m.webhook) || has(m.job))',
      message:
        'prometheus is required for successRate, latency, burnRate, jobFailureRate, jobDuration and query',
      fieldPath: '.prometheus',
    }),
  );
export type AnalysisSpec = z.output<typeof analysis>;

/** Rule for an analysis before the traffic is switched: the new revision has no worker yet. */
export const noJobMetrics = {
  rule: '!has(self.analysis) || self.analysis.metrics.all(m, !has(m.jobFailureRate) && !has(m.jobDuration))',
  message:
    'jobFailureRate and jobDuration need the strategy Canary: with BlueGreen the new revision has no worker before the switch',
  fieldPath: '.analysis',
};

/** Metrics of a step. */
export const stepAnalysis = z.array(dnsLabel).max(16).optional().meta({
  description:
    'Metrics of `analysis` that are measured during this step. They are measured again in each step that names them.',
  'x-kubernetes-list-type': 'set',
});

/** Rule for a schema with steps and an analysis: a misspelled name would otherwise never be measured. */
export const stepsNameMetrics = {
  rule: 'self.steps.all(s, !has(s.analysis) || s.analysis.all(n, has(self.analysis) && self.analysis.metrics.exists(m, m.name == n)))',
  message: 'a step names a metric that analysis does not have',
  fieldPath: '.steps',
};

/** Rule for a schema with steps and an analysis: without requests of both revisions, such a step would never pass. */
export const sequentialNeedsTraffic = {
  rule: '!has(self.analysis) || self.steps.all(s, (s.weight > 0 && s.weight < 100) || self.analysis.metrics.all(m, !has(m.sequential) || (!(has(s.analysis) && m.name in s.analysis) && self.steps.exists(t, has(t.analysis) && m.name in t.analysis))))',
  message:
    'sequential needs requests of both revisions: list the metric in the analysis of the steps with a weight from 1 to 99',
  fieldPath: '.steps',
};
