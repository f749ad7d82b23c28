/** Autoscaling, availability and monitoring. */
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
    .meta({
      description: `Target average ${what}, in percent of the requests of the pods.`,
      format: 'int32',
    });

const scalingRules = (direction: string) =>
  z
    .strictObject({
      stabilizationWindowSeconds: z.int().min(0).max(3600).optional().meta({
        description: 'Stabilization window in seconds: past recommendations that are considered.',
        format: 'int32',
      }),
      selectPolicy: z
        .enum(['Max', 'Min', 'Disabled'])
        .optional()
        .meta({ description: 'Policy that applies if there are several.' }),
      tolerance: quantity.optional().meta({
        description:
          'Deviation from the target that causes no scaling: 0.05 is 5 %. Default: the setting of the cluster, usually 10 %.',
        examples: ['0.05'],
      }),
      policies: z
        .array(
          z.strictObject({
            type: z.enum(['Pods', 'Percent']).meta({ description: 'Unit of `value`.' }),
            value: z
              .int()
              .min(1)
              .max(10_000)
              .meta({ description: 'Maximum change per period.', format: 'int32' }),
            periodSeconds: z
              .int()
              .min(1)
              .max(1800)
              .meta({ description: 'Period in seconds.', format: 'int32' }),
          }),
        )
        .max(8)
        .optional()
        .meta({ description: 'Scaling policies.', 'x-kubernetes-list-type': 'atomic' }),
    })
    .optional()
    .meta({ description: `Rules for scaling ${direction}.` });

const resourceMetric = z
  .looseObject({ name: z.string().max(253).optional().meta({ description: 'Name of the resource.' }) })
  .optional();

/** Only fields that the CEL rules use. The schema of HorizontalPodAutoscaler validates the rest. */
const metric = z.looseObject({
  resource: resourceMetric.meta({ description: 'Resource of the pods, with type Resource.' }),
  containerResource: resourceMetric.meta({
    description: 'Resource of a container, with type ContainerResource.',
  }),
});

const horizontal = z
  .strictObject({
    enabled: z.boolean().optional().meta({
      description:
        'Enables the HorizontalPodAutoscaler. Default: true if another field of `horizontal` is set; otherwise true in production unless `spec.replicas` is set by the user.',
    }),
    minReplicas: pods('Minimum number of pods. Default: the replicas of the environment (1, 2, 3).'),
    maxReplicas: pods('Maximum number of pods. Default: 10, or minReplicas if that is larger.'),
    cpu: utilization('CPU utilization').meta({
      description:
        'Target average CPU utilization, in percent of the requests of the pods. Default: 70 if no metric is set.',
    }),
    memory: utilization('memory utilization').meta({
      description:
        'Target average memory utilization, in percent of the requests of the pods. Default: 80 if no metric is set and the vertical autoscaler does not size memory.',
    }),
    metrics: z.array(metric).max(16).optional().meta({
      description: 'Additional metrics, as in `spec.metrics` of HorizontalPodAutoscaler (autoscaling/v2).',
      'x-kubernetes-list-type': 'atomic',
    }),
    onChange: z
      .enum(['Immediate', 'Rollout'])
      .optional()
      .meta({
        description:
          'When a change of `horizontal` takes effect. `Immediate` (default): at once, for all revisions. `Rollout`: it is part of the revision, so a change ' +
          'starts a delivery. The autoscaler has the settings of the stable revision until the promotion, and an undo restores the earlier ones.',
      }),
    behavior: z
      .strictObject({ scaleUp: scalingRules('up'), scaleDown: scalingRules('down') })
      .optional()
      .meta({ description: 'Scaling behavior. Default: the default of HorizontalPodAutoscaler.' }),
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
      '`Off` only recommends. `Initial` sizes new pods. `Recreate` evicts pods to resize them. `InPlaceOrRecreate` resizes running pods in place if possible.',
  }),
  controlledResources: z
    .array(z.enum(['cpu', 'memory']))
    .min(1)
    .max(2)
    .optional()
    .meta({
      description:
        'Resources that it sizes. Default: those that the horizontal autoscaler does not scale on.',
      'x-kubernetes-list-type': 'set',
    }),
  minAllowed: resourceList.optional().meta({ description: 'Minimum requests per pod.' }),
  maxAllowed: resourceList
    .optional()
    .meta({ description: 'Maximum requests per pod. Default: 2 cores and 4Gi.' }),
});

const scalesOn = (resource: string) =>
  `(has(self.horizontal.${resource}) || (has(self.horizontal.metrics) && self.horizontal.metrics.exists(m, ` +
  `(has(m.resource) && has(m.resource.name) && m.resource.name == '${resource}') || ` +
  `(has(m.containerResource) && has(m.containerResource.name) && m.containerResource.name == '${resource}'))))`;
/** Mode Off only recommends, so that it cannot conflict. */
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
      .meta({ description: 'Scales the number of pods with a HorizontalPodAutoscaler.' }),
    vertical: vertical
      .optional()
      .meta({ description: 'Scales the requests of the pods with a VerticalPodAutoscaler.' }),
  })
  .meta(
    cel(
      ...['cpu', 'memory'].map((resource) => ({
        rule: `!(${both} && ${isSized(resource)} && ${scalesOn(resource)})`,
        message: `horizontal scales on ${resource}, so vertical must not size it too: the autoscalers would conflict`,
        fieldPath: '.vertical.controlledResources',
      })),
      {
        rule: `!(${both} && !has(self.vertical.controlledResources) && ${scalesOn('cpu')} && ${scalesOn('memory')})`,
        message:
          'horizontal scales on cpu and memory, which leaves vertical nothing to size: remove one of them',
        fieldPath: '.vertical',
      },
      {
        rule: `!(${both} && !${hasTarget} && ${isSized('cpu')} && ${isSized('memory')})`,
        message:
          'vertical sizes cpu and memory, which leaves horizontal nothing to scale on: set a metric, or remove one of them',
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
        .meta({ description: 'Creates a PodDisruptionBudget if there are two pods or more.' }),
      maxUnavailable: z.int().min(1).max(1000).optional().meta({
        description:
          'Maximum number of pods that can be unavailable during a voluntary disruption, such as a node drain. Default: 1.',
        format: 'int32',
      }),
      minAvailable: z.int().min(1).max(1000).optional().meta({
        description:
          'Minimum number of pods that stay available during a voluntary disruption. Replaces maxUnavailable.',
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
    .meta({ description: 'Limits voluntary disruptions, such as node drains.' }),
  topologySpread: z.enum(['Zone', 'Node', 'None']).optional().meta({
    description:
      'Topology over which the pods of a revision are spread, as far as possible (ScheduleAnyway). Default: Zone in staging and production, None in development.',
  }),
});

export const monitoring = z.strictObject({
  serviceMonitor: z.boolean().default(false).meta({
    description:
      'Creates a ServiceMonitor, so that a Prometheus of the Prometheus operator scrapes the pods.',
  }),
  labels: labels
    .optional()
    .meta({ description: 'Labels of the ServiceMonitor that a Prometheus selects by.' }),
  interval: duration.default('10s').meta({
    description: 'Scrape interval. A sequential test of the analysis decides sooner with a shorter one.',
  }),
  tracing: z
    .strictObject({
      endpoint: url.meta({
        description: 'URL for spans: OTLP over HTTP, including the path. The NetworkPolicy allows it.',
        examples: ['http://collector.monitoring:4318/v1/traces'],
      }),
    })
    .optional()
    .meta({ description: 'OpenTelemetry tracing. Unset: no spans are sent.' }),
});
