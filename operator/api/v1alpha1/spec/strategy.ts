/** How a new revision takes over. */
import { z } from 'zod';
import { cel, duration } from '../kubernetes.js';
import { analysis, stepAnalysis, stepsNameMetrics } from './analysis.js';

const countOrPercent = z
  .union([z.int().min(0).max(1000), z.string().max(5)])
  .meta({ 'x-kubernetes-int-or-string': true, pattern: '^(1000|[0-9]{1,3})%?$' });

const step = z.strictObject({
  weight: z.int().min(0).max(100).meta({
    description:
      'Share of the traffic that the new revision gets, in percent. 0: requests with the header only.',
    format: 'int32',
  }),
  hold: duration
    .optional()
    .meta({ description: 'How long to stay once the share is in force.', examples: ['5m'] }),
  pause: z.boolean().default(false).meta({ description: 'Stay until `kubectl pcf promote`.' }),
  analysis: stepAnalysis,
});

const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

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
        value: z.string().min(1).max(128).default('true').meta({ description: 'Its value.' }),
      })
      .optional()
      .meta({
        description:
          'Requests with this header always reach the new revision, once it has a ready pod. Default: `x-canary: true`.',
      }),
    steps: z.array(step).max(32).default([]).meta({
      description:
        'Shares on the way to 100, one after the other. `canaryWeight`, where it is set, is in force instead.',
      'x-kubernetes-list-type': 'atomic',
    }),
    replicas: z.int().min(1).max(1000).optional().meta({
      description: 'Pods of the canary before it has everything. Default: as many as its share needs.',
      format: 'int32',
    }),
    mirror: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .meta({
        description:
          'Percent of the requests that are copied to the new revision from its first ready pod on, beside its share; the answers to ' +
          'copies are thrown away. Needs Istio or the Gateway API. A copied mutation is carried out a second time, on the same ' +
          'database: only for an API whose requests may be repeated.',
        format: 'int32',
      }),
    maxSurge: countOrPercent.optional().meta({
      description:
        'Pods beyond `replicas` that both revisions may have together, as a number or in percent: stable pods then make room ' +
        'for the canary. Default: as many as it takes, and the stable revision keeps all of its pods.',
    }),
    analysis: analysis.optional().meta({ description: 'How it is judged.' }),
    scaleDownDelay: duration.default('30s').meta({
      description:
        'How long a revision that lost its traffic keeps its pods: as long going back is one change of weight.',
    }),
  })
  .meta(
    cel(stepsNameMetrics, {
      rule: '!has(self.replicas) || !has(self.maxSurge)',
      message: 'give either replicas or maxSurge: a fixed canary needs no room made for it',
    }),
  );

const blueGreen = z.strictObject({
  autoPromote: z.boolean().default(true).meta({
    description: 'Switch as soon as all new pods are ready; else wait for `kubectl pcf promote`.',
  }),
  analysis: analysis.optional().meta({ description: 'How it is judged before the switch.' }),
  scaleDownDelay: duration.default('5m').meta({
    description: 'How long the old pods stay after the switch: as long going back is one change of weight.',
  }),
});

const rollingUpdate = z
  .strictObject({
    maxSurge: countOrPercent
      .default(1)
      .meta({ description: 'Pods beyond `replicas`, as a number or in percent (rounded up).' }),
    maxUnavailable: countOrPercent.default(0).meta({
      description: 'Ready pods below `replicas`, as a number or in percent (rounded down).',
    }),
  })
  .meta(
    cel({
      rule: "string(self.maxSurge) in ['0', '0%'] ? !(string(self.maxUnavailable) in ['0', '0%']) : true",
      message: 'maxSurge and maxUnavailable must not both be 0: there would be no way to replace a pod',
    }),
  );

export const strategy = z.strictObject({
  type: z
    .enum(['Canary', 'BlueGreen', 'RollingUpdate'])
    .default('Canary')
    .meta({
      description:
        '`Canary`: by steps, or by `canaryWeight`. `BlueGreen`: all new pods beside the old ones, then one switch. ' +
        '`RollingUpdate`: pod by pod, traffic along with them.',
    }),
  canary: canary.optional().meta({ description: 'For type Canary.' }),
  blueGreen: blueGreen.optional().meta({ description: 'For type BlueGreen.' }),
  rollingUpdate: rollingUpdate.optional().meta({ description: 'For type RollingUpdate.' }),
});

export const source = z.strictObject({
  commit: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .meta({ description: 'Commit that the image was built from.' }),
  committedAt: z.iso.datetime({ offset: true }).max(64).optional().meta({
    description: 'When it was committed: the lead time for changes begins here.',
    format: 'date-time',
  }),
});
