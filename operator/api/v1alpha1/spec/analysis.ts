/** How it is judged whether a new revision does well: metrics, where they come from, and their bounds. */
import { z } from 'zod';
import { type CelRule, cel, dnsLabel, durationWithin, imageName } from '../kubernetes.js';
import { httpTarget, noCredentialInTheClear, url } from './outgoing.js';
import { env, program, resourcesInList } from './pods.js';

/** What may stand in a query, and is replaced before it is sent. */
export const PLACEHOLDERS = ['{{namespace}}', '{{name}}', '{{revision}}', '{{stableRevision}}'] as const;

const labelName = z
  .string()
  .max(128)
  .regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/);

const interval = durationWithin('1s', '24h').meta({
  description: 'Time between two measurements of a metric.',
});
const initialDelay = durationWithin('0s', '24h').meta({
  description: 'Time before the first measurement, for the revision to warm up and get requests.',
});
const count = z.int().min(1).max(1000).meta({
  description:
    'Measurements that must have succeeded or failed before the delivery may continue from a step, since its share is in force. Those without data do not count.',
  format: 'int32',
});
const failureLimit = z.int().min(0).max(1000).meta({
  description: 'Failed measurements that are tolerated; one more aborts the delivery.',
  format: 'int32',
});
const inconclusiveLimit = z.int().min(0).max(1000).meta({
  description:
    'Measurements in a row that may say nothing (no data, NaN) before the analysis is called inconclusive. The delivery waits all the while.',
  format: 'int32',
});

/** A value of a metric, with bounds that keep sums and differences exact enough for comparisons. */
const figure = z.number().min(-1e15).max(1e15);

/** Of one metric, where it differs from that of the analysis. */
const pace = {
  interval: interval.optional(),
  initialDelay: initialDelay.optional(),
  count: count.optional(),
  failureLimit: failureLimit.optional(),
  inconclusiveLimit: inconclusiveLimit.optional(),
};

const prometheus = z
  .strictObject({
    ...httpTarget,
    url: url.meta({
      description: 'Address of Prometheus, or of what answers its query API: Thanos, Mimir, VictoriaMetrics.',
      examples: ['http://prometheus-operated.monitoring:9090'],
    }),
    timeout: durationWithin('100ms', '1m').default('10s').meta({ description: 'Timeout of a query.' }),
    headers: z
      .record(z.string(), z.string().max(1024))
      .optional()
      .meta({
        description: 'Further headers, such as `X-Scope-OrgID` for a tenant. Credentials belong in `auth`.',
        maxProperties: 8,
        ...cel({
          rule: "self.all(name, name.matches('^[A-Za-z][-A-Za-z0-9]*$') && !(name.lowerAscii() in ['authorization', 'cookie', 'host', 'content-length', 'content-type', 'transfer-encoding', 'connection']))",
          message: 'this header is set by the operator, or is not a header name; credentials belong in auth',
        }),
      }),
    namespaceLabel: labelName
      .default('namespace')
      .meta({ description: 'Label of the series that holds the namespace.' }),
    revisionLabel: labelName.default('pcf_dev_revision').meta({
      description:
        'Label of the series that holds the revision. The ServiceMonitor of `monitoring.serviceMonitor` makes it.',
    }),
  })
  .meta(cel(noCredentialInTheClear));
export type PrometheusTarget = z.output<typeof prometheus>;

const requests = {
  operation: z
    .string()
    .min(1)
    .max(100)
    .regex(/^[_A-Za-z][_0-9A-Za-z]*$/)
    .optional()
    .meta({ description: 'This GraphQL operation only. Left out: all of them together.' }),
  perOperation: z.boolean().default(false).meta({
    description: 'Each GraphQL operation on its own; the worst one counts, and the message names it.',
  }),
  window: durationWithin('1s', '24h').default('2m').meta({
    description: 'How far back to look. At least four times the interval at which Prometheus scrapes.',
  }),
  minRequests: z.int().min(1).max(1_000_000).default(10).meta({
    description: 'Requests in the window below which the measurement says nothing.',
    format: 'int32',
  }),
};
const oneOperation = {
  rule: '!self.perOperation || !has(self.operation)',
  message: 'perOperation looks at every operation: leave operation out',
};

const successRate = z.strictObject(requests).meta(cel(oneOperation));
const latency = z
  .strictObject({
    percentile: z.number().min(1).max(99.99).default(99).meta({ description: 'Which percentile.' }),
    ...requests,
  })
  .meta(cel(oneOperation));
export type RequestMetric = z.output<typeof successRate>;

const webhook = z
  .strictObject({
    ...httpTarget,
    url: url.meta({
      description:
        'Gets a POST with what is to be judged. It answers 2xx, with `{"verdict": "Success", "Failure" or "Inconclusive", "value": 0.99, "message": "..."}` or with nothing, which is a success. Any other answer counts as the webhook being away.',
    }),
    timeout: durationWithin('100ms', '1m').default('10s').meta({ description: 'Timeout of the request.' }),
  })
  .meta(cel(noCredentialInTheClear));
export type WebhookTarget = z.output<typeof webhook>;

const job = z.strictObject({
  image: imageName.optional().meta({ description: 'Image of the Job. Default: that of the new revision.' }),
  ...program,
  env: env.meta({
    description:
      'Its variables. PCF_REVISION, PCF_STABLE_REVISION, PCF_NAMESPACE and PCF_NAME are there as well.',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
  }),
  resources: resourcesInList.optional().meta({ description: 'CPU and memory of its pod.' }),
  timeout: durationWithin('1s', '6h').default('5m').meta({
    description: 'How long it may run, starting included. A Job that takes longer has failed.',
  }),
});
export type JobTemplate = z.output<typeof job>;

const comparison = z
  .strictObject({
    better: z.enum(['Higher', 'Lower']).optional().meta({
      description: 'Which way is better. Known of successRate (Higher) and latency (Lower).',
    }),
    absolute: figure.min(0).optional().meta({
      description: 'How much worse than the stable revision it may be, in the unit of the metric.',
    }),
    relative: z.number().min(0).max(10_000).optional().meta({
      description:
        'How much worse it may be, in percent of what the stable revision has. With `absolute`: whichever allows more.',
    }),
  })
  .meta(
    cel({
      rule: 'has(self.absolute) || has(self.relative)',
      message: 'give absolute or relative: how much worse than the stable revision it may be',
    }),
  );
export type Comparison = z.output<typeof comparison>;

/** The opposite direction inverts the verdict: the worse revision would be promoted. */
function betterIs(kind: 'successRate' | 'latency', direction: 'Higher' | 'Lower'): CelRule {
  const better = 'self.compareWithStable.better';
  return {
    rule: `!has(self.${kind}) || !has(self.compareWithStable) || !has(${better}) || ${better} == '${direction}'`,
    message: `compareWithStable.better of ${kind} must be ${direction}`,
    fieldPath: '.compareWithStable.better',
  };
}

const metric = z
  .strictObject({
    name: dnsLabel.meta({ description: 'What it is called in status, messages and steps.' }),
    ...pace,
    successRate: successRate.optional().meta({
      description:
        "Share of the GraphQL operations that ended without an error, 0 to 1, from the API's own metrics: a GraphQL error is an HTTP 200.",
    }),
    latency: latency.optional().meta({
      description:
        "How long GraphQL operations take, in seconds, from the API's own histogram. Its last bucket ends at 2.5: a longer time reads as 2.5.",
    }),
    query: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .meta({
        description: `A PromQL query. ${PLACEHOLDERS.join(', ')} are replaced, and belong in quotes. Every series of the answer is judged.`,
        examples: ['sum(rate(errors_total{namespace="{{namespace}}",pcf_dev_revision="{{revision}}"}[2m]))'],
      }),
    webhook: webhook.optional().meta({ description: 'Asks an HTTP service.' }),
    job: job.optional().meta({
      description: 'Runs a Job for each measurement: a smoke test. It succeeds if the Job does.',
    }),
    min: figure.optional().meta({ description: 'Minimum: a measurement below it fails.' }),
    max: figure.optional().meta({ description: 'Maximum: a measurement above it fails.' }),
    compareWithStable: comparison.optional().meta({
      description: 'Fails when it is worse than the stable revision over the same window by more than this.',
    }),
  })
  .meta(
    cel(
      {
        rule: '[has(self.successRate), has(self.latency), has(self.query), has(self.webhook), has(self.job)].filter(given, given).size() == 1',
        message: 'give exactly one of successRate, latency, query, webhook and job',
      },
      {
        rule: 'has(self.webhook) || has(self.job) || has(self.min) || has(self.max) || has(self.compareWithStable)',
        message: 'give a bound: min, max or compareWithStable',
      },
      {
        rule: '!has(self.job) || (!has(self.min) && !has(self.max))',
        message: 'a Job succeeds or fails: min and max say nothing of it',
      },
      {
        rule: '!has(self.compareWithStable) || has(self.successRate) || has(self.latency) || has(self.query)',
        message: 'compareWithStable needs successRate, latency or query',
      },
      {
        rule: '!has(self.compareWithStable) || !has(self.query) || (has(self.compareWithStable.better) && self.query.contains("{{revision}}"))',
        message:
          'to compare a query with the stable revision, say in compareWithStable.better which way is better, and use {{revision}} in the query',
      },
      betterIs('successRate', 'Higher'),
      betterIs('latency', 'Lower'),
      {
        rule: `!has(self.query) || !self.query${PLACEHOLDERS.map((it) => `.replace('${it}', '')`).join('')}.contains('{{')`,
        message: `query holds a placeholder that there is none of; there are ${PLACEHOLDERS.join(', ')}`,
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
    prometheus: prometheus
      .optional()
      .meta({ description: 'Where successRate, latency and query are asked.' }),
    metrics: z
      .array(metric)
      .min(1)
      .max(16)
      .meta({
        description:
          'What is measured. A metric that a step names is measured during that step; the others throughout.',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name'],
      }),
  })
  .meta(
    cel({
      rule: 'has(self.prometheus) || self.metrics.all(m, !has(m.successRate) && !has(m.latency) && !has(m.query))',
      message: 'prometheus must say where successRate, latency and query are asked',
      fieldPath: '.prometheus',
    }),
  );
export type AnalysisSpec = z.output<typeof analysis>;

/** Of a step: the metrics that judge it. */
export const stepAnalysis = z.array(dnsLabel).max(16).optional().meta({
  description:
    'Metrics of `analysis` that are measured during this step, again with each step that names them.',
  'x-kubernetes-list-type': 'set',
});

/** For what holds both steps and an analysis: a name that is misspelt must not pass for one that is well. */
export const stepsNameMetrics = {
  rule: 'self.steps.all(s, !has(s.analysis) || s.analysis.all(n, has(self.analysis) && self.analysis.metrics.exists(m, m.name == n)))',
  message: 'a step names a metric that analysis does not have',
  fieldPath: '.steps',
};
