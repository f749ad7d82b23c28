/** Sources of the metrics of an analysis: Prometheus with the built-in metrics, a webhook, a Job. */
import { z } from 'zod';
import { cel, durationWithin, imageName } from '../kubernetes.js';
import { httpTarget, noCredentialInTheClear, url } from './outgoing.js';
import { env, program, resourcesInList } from './pods.js';

const labelName = z
  .string()
  .max(128)
  .regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/);

export const prometheus = z
  .strictObject({
    ...httpTarget,
    url: url.meta({
      description: 'URL of Prometheus or of a server with its query API: Thanos, Mimir, VictoriaMetrics.',
      examples: ['http://prometheus-operated.monitoring:9090'],
    }),
    timeout: durationWithin('100ms', '1m').default('10s').meta({ description: 'Timeout of a query.' }),
    headers: z
      .record(z.string(), z.string().max(1024))
      .optional()
      .meta({
        description:
          'Additional request headers, such as `X-Scope-OrgID` for a tenant. Use `auth` for credentials.',
        maxProperties: 8,
        ...cel({
          rule: "self.all(name, name.matches('^[A-Za-z][-A-Za-z0-9]*$') && !(name.lowerAscii() in ['authorization', 'cookie', 'host', 'content-length', 'content-type', 'transfer-encoding', 'connection']))",
          message:
            'this header is set by the operator or is not a valid header name; use auth for credentials',
        }),
      }),
    namespaceLabel: labelName
      .default('namespace')
      .meta({ description: 'Label of the series whose value is the namespace.' }),
    revisionLabel: labelName.default('pcf_dev_revision').meta({
      description:
        'Label of the series whose value is the revision. The ServiceMonitor of `monitoring.serviceMonitor` adds it.',
    }),
  })
  .meta(cel(noCredentialInTheClear));
export type PrometheusTarget = z.output<typeof prometheus>;

const window = durationWithin('1s', '24h').default('2m').meta({
  description: 'Time range of the query. At least four times the scrape interval of Prometheus.',
});
const minimum = z.int().min(1).max(1_000_000).default(10);

const requests = {
  operation: z
    .string()
    .min(1)
    .max(100)
    .regex(/^[_A-Za-z][_0-9A-Za-z]*$/)
    .optional()
    .meta({ description: 'Name of a GraphQL operation. Unset: all operations together.' }),
  perOperation: z.boolean().default(false).meta({
    description:
      'Measures each GraphQL operation separately. The worst value counts, and the message names its operation.',
  }),
  window,
  minRequests: minimum.meta({
    description: 'Minimum number of requests in the window. With fewer, the measurement is inconclusive.',
    format: 'int32',
  }),
};
const oneOperation = {
  rule: '!self.perOperation || !has(self.operation)',
  message: 'perOperation measures every operation: omit operation',
};

export const successRate = z.strictObject(requests).meta(cel(oneOperation));
export const latency = z
  .strictObject({
    percentile: z.number().min(1).max(99.99).default(99).meta({ description: 'Percentile of the latency.' }),
    ...requests,
  })
  .meta(cel(oneOperation));
export type RequestMetric = z.output<typeof successRate>;

/**
 * Alerts on two windows with a burn rate of the error budget: Google, The Site Reliability Workbook, chapter 5. The
 * short window is a twelfth of the long one, and ends the failure soon after the errors.
 */
export const BURN_RATES = {
  Fast: { short: '5m', long: '1h', factor: 14.4 },
  Medium: { short: '30m', long: '6h', factor: 6 },
  Slow: { short: '6h', long: '72h', factor: 1 },
} as const;

export const burnRate = z
  .strictObject({
    objective: z
      .number()
      .min(0.5)
      .max(0.999_999)
      .meta({
        description: 'Service level objective: the share of GraphQL operations without an error.',
        examples: [0.999],
      }),
    preset: z.enum(['Fast', 'Medium', 'Slow']).default('Fast').meta({
      description:
        'Windows and maximum burn rate. `Fast`: 14.4 over 5m and 1h. `Medium`: 6 over 30m and 6h. `Slow`: 1 over 6h and 3 days.',
    }),
    operation: requests.operation,
    perOperation: requests.perOperation,
    minRequests: requests.minRequests.meta({
      description:
        'Minimum number of requests in the short window. With fewer, the measurement is inconclusive.',
    }),
  })
  .meta(cel(oneOperation));
export type BurnRate = z.output<typeof burnRate>;

const jobs = {
  queue: z
    .string()
    .min(1)
    .max(100)
    .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/)
    .optional()
    .meta({ description: 'Queue, such as `webhook-delivery`. Unset: all queues together.' }),
  perQueue: z.boolean().default(false).meta({
    description: 'Measures each queue separately. The worst value counts, and the message names its queue.',
  }),
  window,
  minJobs: minimum.meta({
    description: 'Minimum number of attempts in the window. With fewer, the measurement is inconclusive.',
    format: 'int32',
  }),
};
const oneQueue = {
  rule: '!self.perQueue || !has(self.queue)',
  message: 'perQueue measures every queue: omit queue',
};

export const jobFailureRate = z.strictObject(jobs).meta(cel(oneQueue));
export const jobDuration = z
  .strictObject({
    percentile: z.number().min(1).max(99.99).default(99).meta({ description: 'Percentile of the duration.' }),
    ...jobs,
  })
  .meta(cel(oneQueue));
export type JobMetric = z.output<typeof jobFailureRate>;

export const webhook = z
  .strictObject({
    ...httpTarget,
    url: url.meta({
      description:
        'URL that receives a POST with the revision to judge. A 2xx response contains `{"verdict": "Success", "Failure" or "Inconclusive", "value": 0.99, "message": "..."}`, or nothing, which means success. Any other response counts as an error of the provider.',
    }),
    timeout: durationWithin('100ms', '1m').default('10s').meta({ description: 'Timeout of the request.' }),
  })
  .meta(cel(noCredentialInTheClear));
export type WebhookTarget = z.output<typeof webhook>;

export const job = z.strictObject({
  image: imageName
    .optional()
    .meta({ description: 'Image of the Job. Default: the image of the new revision.' }),
  ...program,
  env: env.meta({
    description:
      'Environment variables of the Job, in addition to PCF_REVISION, PCF_STABLE_REVISION, PCF_NAMESPACE and PCF_NAME.',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
  }),
  resources: resourcesInList.optional().meta({ description: 'Compute resources of its pod.' }),
  timeout: durationWithin('1s', '6h').default('5m').meta({
    description: 'Timeout of the Job, including the start of its pod. A Job that exceeds it fails.',
  }),
});
export type JobTemplate = z.output<typeof job>;
