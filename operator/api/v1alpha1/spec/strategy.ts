/** Delivery strategies. */
import { z } from 'zod';
import { cel, duration, durationWithin } from '../kubernetes.js';
import {
  analysis,
  noJobMetrics,
  sequentialNeedsTraffic,
  stepAnalysis,
  stepsNameMetrics,
} from './analysis.js';

const countOrPercent = z
  .union([z.int().min(0).max(1000), z.string().max(5)])
  .meta({ 'x-kubernetes-int-or-string': true, pattern: '^(1000|[0-9]{1,3})%?$' });

const step = z.strictObject({
  weight: z.int().min(0).max(100).meta({
    description:
      'Weight of the new revision: its share of the traffic, in percent. 0: only requests with the canary header.',
    format: 'int32',
  }),
  hold: duration
    .optional()
    .meta({ description: 'Time to hold the step after its weight took effect.', examples: ['5m'] }),
  pause: z.boolean().default(false).meta({ description: 'Holds the step until `kubectl pcf promote`.' }),
  analysis: stepAnalysis,
});

const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

const cookie = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[A-Za-z0-9_-]+$/)
    .optional()
    .meta({
      description: 'Name of the cookie. Default: `pcf-<name of the PcfApi>`.',
      examples: ['shop-release'],
    }),
  maxAge: durationWithin('1m', '8760h').default('168h').meta({
    description:
      'Time after which a browser deletes the cookie. Its user is then assigned again, at random: use a value above the duration of a delivery.',
  }),
  sameSite: z.enum(['Lax', 'Strict', 'None']).default('Lax').meta({
    description:
      'Attribute SameSite of the cookie. `None`: pages of other sites send it too. It is always Secure and HttpOnly, with Path=/.',
  }),
});

const canary = z
  .strictObject({
    header: z
      .strictObject({
        name: z
          .string()
          .min(1)
          .max(64)
          .regex(headerName)
          .default('x-canary')
          .meta({ description: 'Name of the header.' }),
        value: z.string().min(1).max(128).default('true').meta({ description: 'Value of the header.' }),
      })
      .optional()
      .meta({
        description:
          'Requests with this header are always routed to the new revision if it has a ready pod. Default: `x-canary: true`.',
      }),
    steps: z.array(step).max(32).default([]).meta({
      description: 'Steps before the promotion, in order. `canaryWeight` overrides them if it is set.',
      'x-kubernetes-list-type': 'atomic',
    }),
    replicas: z.int().min(1).max(1000).optional().meta({
      description: 'Number of canary pods before weight 100. Default: proportional to the weight.',
      format: 'int32',
    }),
    mirror: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .meta({
        description:
          'Percent of the requests that are mirrored to the new revision, in addition to its weight, as soon as it has a ready pod. Responses to ' +
          'mirrored requests are discarded. Requires Istio or the Gateway API. A mirrored mutation is executed a second time, on the same ' +
          'database: use it only for an API whose requests are idempotent.',
        format: 'int32',
      }),
    stickiness: z
      .strictObject({ cookie: cookie.meta({ description: 'Cookie with the bucket of the user.' }) })
      .optional()
      .meta({
        description:
          'Keeps each user at one revision while the weight does not change, by a cookie. A higher weight moves users to the new revision only, ' +
          'a lower one returns some of them. The canary header takes precedence. Requires Istio or the Gateway API.',
      }),
    maxSurge: countOrPercent.optional().meta({
      description:
        'Maximum number of pods of both revisions above `replicas`, as a number or in percent. The stable revision is scaled down to stay ' +
        'within it. Default: no limit, and the stable revision is not scaled down.',
    }),
    analysis: analysis.optional().meta({ description: 'Analysis of the new revision.' }),
    scaleDownDelay: duration.default('30s').meta({
      description:
        'Time before the pods of a revision without traffic are removed. Until then a rollback only changes the weight.',
    }),
  })
  .meta(
    cel(stepsNameMetrics, sequentialNeedsTraffic, {
      rule: '!has(self.replicas) || !has(self.maxSurge)',
      message: 'give either replicas or maxSurge: maxSurge does not apply to a fixed number of canary pods',
    }),
  );

const blueGreen = z
  .strictObject({
    autoPromote: z.boolean().default(true).meta({
      description:
        'Whether the traffic is switched as soon as all new pods are ready. Otherwise the delivery waits for `kubectl pcf promote`.',
    }),
    analysis: analysis.optional().meta({ description: 'Analysis of the new revision before the switch.' }),
    scaleDownDelay: duration.default('5m').meta({
      description:
        'Time before the old pods are removed after the switch. Until then a rollback only changes the weight.',
    }),
  })
  .meta(
    cel(noJobMetrics, {
      rule: '!has(self.analysis) || self.analysis.metrics.all(m, !has(m.sequential))',
      message: 'sequential compares requests that are split between two revisions: use the strategy Canary',
      fieldPath: '.analysis',
    }),
  );

const rollingUpdate = z
  .strictObject({
    maxSurge: countOrPercent.default(1).meta({
      description: 'Maximum number of pods above `replicas`, as a number or in percent (rounded up).',
    }),
    maxUnavailable: countOrPercent.default(0).meta({
      description:
        'Maximum number of pods below `replicas` that can be unavailable, as a number or in percent (rounded down).',
    }),
  })
  .meta(
    cel({
      rule: "string(self.maxSurge) in ['0', '0%'] ? !(string(self.maxUnavailable) in ['0', '0%']) : true",
      message: 'maxSurge and maxUnavailable must not both be 0: no pod could be replaced',
    }),
  );

export const strategy = z
  .strictObject({
    type: z
      .enum(['Canary', 'BlueGreen', 'RollingUpdate'])
      .default('Canary')
      .meta({
        description:
          '`Canary`: the weight increases in steps, or follows `canaryWeight`. `BlueGreen`: all new pods start, then the traffic is switched at once. ' +
          '`RollingUpdate`: pods are replaced one by one, and the weight follows them.',
      }),
    canary: canary.optional().meta({ description: 'Settings of the strategy Canary.' }),
    blueGreen: blueGreen.optional().meta({ description: 'Settings of the strategy BlueGreen.' }),
    rollingUpdate: rollingUpdate.optional().meta({ description: 'Settings of the strategy RollingUpdate.' }),
  })
  .meta(
    cel({
      rule: "self.type == 'Canary' || !has(self.canary) || !has(self.canary.stickiness)",
      message:
        'canary.stickiness needs the type Canary: BlueGreen switches all users at once, and RollingUpdate has no fixed weight',
      fieldPath: '.canary.stickiness',
    }),
  );

export const source = z.strictObject({
  commit: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .meta({ description: 'Commit that the image was built from.' }),
  committedAt: z.iso.datetime({ offset: true }).max(64).optional().meta({
    description: 'Time of the commit: start of the lead time for changes.',
    format: 'date-time',
  }),
});
