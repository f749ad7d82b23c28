/** How many pods there are, how big they are, and how they are kept apart. */
import { z } from 'zod';
import { cel, duration, labels, quantity } from '../kubernetes.js';
import { url } from './outgoing.js';
import { resourceList } from './pods.js';

const pods = (description: string) =>
  z.int().min(1).max(1000).optional().meta({ description, format: 'int32' });
const utilization = (what: string) =>
  z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .meta({ description: `Mean ${what} to aim at, in percent of what the pods request.`, format: 'int32' });

const scalingRules = (direction: string) =>
  z
    .strictObject({
      stabilizationWindowSeconds: z
        .int()
        .min(0)
        .max(3600)
        .optional()
        .meta({ description: 'Seconds to look back before deciding.', format: 'int32' }),
      selectPolicy: z
        .enum(['Max', 'Min', 'Disabled'])
        .optional()
        .meta({ description: 'Which policy counts.' }),
      tolerance: quantity.optional().meta({
        description:
          'Deviation from the target that causes no scaling: 0.05 is 5 %. Default: that of the cluster, 10 %.',
        examples: ['0.05'],
      }),
      policies: z
        .array(
          z.strictObject({
            type: z.enum(['Pods', 'Percent']).meta({ description: 'What value counts.' }),
            value: z
              .int()
              .min(1)
              .max(10_000)
              .meta({ description: 'Change allowed in the period.', format: 'int32' }),
            periodSeconds: z.int().min(1).max(1800).meta({ description: 'The period.', format: 'int32' }),
          }),
        )
        .max(8)
        .optional()
        .meta({ description: 'How fast.', 'x-kubernetes-list-type': 'atomic' }),
    })
    .optional()
    .meta({ description: `How fast to scale ${direction}.` });

const resourceMetric = z
  .looseObject({ name: z.string().max(253).optional().meta({ description: 'Name of the resource.' }) })
  .optional();

/** Named here is only what rules ask for; the HorizontalPodAutoscaler's own schema checks the rest. */
const metric = z.looseObject({
  resource: resourceMetric.meta({ description: 'With type Resource: a resource of the pods.' }),
  containerResource: resourceMetric.meta({
    description: 'With type ContainerResource: a resource of one of their containers.',
  }),
});

const horizontal = z
  .strictObject({
    enabled: z.boolean().optional().meta({
      description:
        'Default: true when anything else is set here; else true in production unless `spec.replicas` is set by hand.',
    }),
    minReplicas: pods('Pods at least. Default: the replicas of the environment (1, 2, 3).'),
    maxReplicas: pods('Pods at most. Default: 10, or minReplicas where that is more.'),
    cpu: utilization('CPU use').meta({
      description:
        'Mean CPU use to aim at, in percent of what the pods request. Default: 70, when no metric is given.',
    }),
    memory: utilization('memory use').meta({
      description:
        'Mean memory use to aim at, in percent of what the pods request. Default: 80, when no metric is given and the vertical autoscaler leaves memory alone.',
    }),
    metrics: z.array(metric).max(16).optional().meta({
      description: 'Further metrics, as in autoscaling/v2 HorizontalPodAutoscaler `spec.metrics`.',
      'x-kubernetes-list-type': 'atomic',
    }),
    behavior: z
      .strictObject({ scaleUp: scalingRules('up'), scaleDown: scalingRules('down') })
      .optional()
      .meta({ description: "How fast to scale. Default: Kubernetes' own." }),
  })
  .meta(
    cel({
      rule: '!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas',
      message: 'minReplicas must not be more than maxReplicas',
      fieldPath: '.minReplicas',
    }),
  );

const vertical = z.strictObject({
  mode: z.enum(['Off', 'Initial', 'Recreate', 'InPlaceOrRecreate']).default('InPlaceOrRecreate').meta({
    description:
      '`Off` only recommends; `Initial` sizes new pods; `Recreate` replaces pods; `InPlaceOrRecreate` resizes them where they run if it can.',
  }),
  controlledResources: z
    .array(z.enum(['cpu', 'memory']))
    .min(1)
    .max(2)
    .optional()
    .meta({
      description:
        'What it sizes. Default: what the horizontal autoscaler does not scale on, by its targets or by a metric.',
      'x-kubernetes-list-type': 'set',
    }),
  minAllowed: resourceList.optional().meta({ description: 'The smallest pod.' }),
  maxAllowed: resourceList.optional().meta({ description: 'The biggest pod. Default: 2 cores and 4Gi.' }),
});

const scalesOn = (resource: string) =>
  `(has(self.horizontal.${resource}) || (has(self.horizontal.metrics) && self.horizontal.metrics.exists(m, ` +
  `(has(m.resource) && has(m.resource.name) && m.resource.name == '${resource}') || ` +
  `(has(m.containerResource) && has(m.containerResource.name) && m.containerResource.name == '${resource}'))))`;
/** One that only recommends works against nobody. */
const both =
  'has(self.horizontal) && (!has(self.horizontal.enabled) || self.horizontal.enabled) && ' +
  "has(self.vertical) && self.vertical.mode != 'Off'";
const isSized = (resource: string) =>
  `has(self.vertical.controlledResources) && '${resource}' in self.vertical.controlledResources`;
const hasTarget =
  '(has(self.horizontal.cpu) || has(self.horizontal.memory) || (has(self.horizontal.metrics) && size(self.horizontal.metrics) > 0))';

export const autoscaling = z
  .strictObject({
    horizontal: horizontal
      .optional()
      .meta({ description: 'More pods: a HorizontalPodAutoscaler on this PcfApi.' }),
    vertical: vertical
      .optional()
      .meta({ description: 'Bigger pods: a VerticalPodAutoscaler on this PcfApi.' }),
  })
  .meta(
    cel(
      ...['cpu', 'memory'].map((resource) => ({
        rule: `!(${both} && ${isSized(resource)} && ${scalesOn(resource)})`,
        message: `horizontal scales on ${resource}, so vertical must not size it too: they would work against each other`,
        fieldPath: '.vertical.controlledResources',
      })),
      {
        rule: `!(${both} && !has(self.vertical.controlledResources) && ${scalesOn('cpu')} && ${scalesOn('memory')})`,
        message:
          'horizontal scales on cpu and memory, which leaves vertical nothing to size: leave one of them out',
        fieldPath: '.vertical',
      },
      {
        rule: `!(${both} && !${hasTarget} && ${isSized('cpu')} && ${isSized('memory')})`,
        message:
          'vertical sizes cpu and memory, which leaves horizontal nothing to scale on: give it a metric, or leave one of them out',
        fieldPath: '.horizontal',
      },
    ),
  );

export const availability = z.strictObject({
  podDisruptionBudget: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .meta({ description: 'Makes a PodDisruptionBudget when there are two pods or more.' }),
      maxUnavailable: z.int().min(1).max(1000).optional().meta({
        description: 'Pods that a drain may take at once. Default: 1.',
        format: 'int32',
      }),
      minAvailable: z.int().min(1).max(1000).optional().meta({
        description: 'Pods that a drain must leave, instead of maxUnavailable.',
        format: 'int32',
      }),
    })
    .meta(
      cel({
        rule: '!has(self.maxUnavailable) || !has(self.minAvailable)',
        message: 'give either maxUnavailable or minAvailable',
      }),
    )
    .optional()
    .meta({ description: 'What a node drain may take.' }),
  topologySpread: z.enum(['Zone', 'Node', 'None']).optional().meta({
    description:
      'Over what the pods are spread, as far as it can be done. Default: Zone in staging and production, None in development.',
  }),
});

export const monitoring = z.strictObject({
  serviceMonitor: z.boolean().default(false).meta({
    description: "Makes a ServiceMonitor, so that the Prometheus operator's Prometheus scrapes the pods.",
  }),
  labels: labels
    .optional()
    .meta({ description: 'Labels of the ServiceMonitor, for a Prometheus that selects by them.' }),
  interval: duration.default('30s').meta({ description: 'How often to scrape.' }),
  tracing: z
    .strictObject({
      endpoint: url.meta({
        description:
          'Where the pods send spans, by OTLP over HTTP: the whole URL. The network policy lets them.',
        examples: ['http://collector.monitoring:4318/v1/traces'],
      }),
    })
    .optional()
    .meta({ description: 'OpenTelemetry. Left out: no spans are sent.' }),
});
