/** Pods: resources, environment variables, probes, scheduling. */
import { z } from 'zod';
import { ENV, FILE_SUFFIX } from '../../../../contract/image.js';
import {
  bareQuantity,
  type CelRule,
  cel,
  durationWithin,
  labels,
  objectName,
  quantity,
} from '../kubernetes.js';
import { affinity } from './affinity.js';

const reservedEnv = Object.values(ENV).flatMap((name) => [name, name + FILE_SUFFIX]);

const listOf = (amount: typeof quantity) =>
  z.strictObject({
    cpu: amount.optional().meta({ description: 'CPU, in cores (`2`) or millicores (`500m`).' }),
    memory: amount.optional().meta({ description: 'Memory, in bytes with a suffix (`512Mi`, `2Gi`).' }),
  });

/** Resources of a container. The vertical autoscaler does not size storage. */
const containerListOf = (amount: typeof quantity) =>
  listOf(amount).extend({
    'ephemeral-storage': amount.optional().meta({
      description: 'Ephemeral storage on the node for logs and `/tmp`, in bytes with a suffix (`1Gi`).',
    }),
  });

const resourcesOf = (list: ReturnType<typeof containerListOf>) =>
  z.strictObject({
    requests: list.optional().meta({ description: 'Resources that the scheduler reserves per pod.' }),
    limits: list.optional().meta({ description: 'Maximum resources per pod.' }),
  });

export const resourceList = listOf(quantity);
export const resources = resourcesOf(containerListOf(quantity));
export const resourcesInList = resourcesOf(containerListOf(bareQuantity));
export type Resources = z.output<typeof resources>;

const envVar = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .max(253)
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
      .meta({ description: 'Name of the variable.' }),
    value: z.string().max(32768).optional().meta({ description: 'Literal value.' }),
    valueFrom: z
      .strictObject({
        secretKeyRef: z
          .strictObject({
            name: objectName.meta({ description: 'Name of the Secret.' }),
            key: z.string().min(1).max(253).meta({ description: 'Key in the Secret.' }),
          })
          .meta({ description: 'A key of a Secret in this namespace.' }),
      })
      .optional()
      .meta({ description: 'Source of the value, for values that must not be in the manifest.' }),
  })
  .meta(
    cel(
      {
        rule: 'has(self.value) != has(self.valueFrom)',
        message: 'give either value or valueFrom: exactly one of them is required',
      },
      {
        rule: `!(self.name in ${JSON.stringify(reservedEnv).replaceAll('"', "'")})`,
        message: 'this variable is set by the operator; use the corresponding field of spec',
        fieldPath: '.name',
      },
    ),
  );

const words = z.array(z.string().max(4096)).max(64);

/** Program of a Job that the user defines. */
export const program = {
  command: words.optional().meta({
    description: 'Command that replaces the entrypoint of the image.',
    'x-kubernetes-list-type': 'atomic',
  }),
  args: words
    .optional()
    .meta({ description: 'Arguments of the command.', 'x-kubernetes-list-type': 'atomic' }),
};

export const env = z
  .array(envVar)
  .max(128)
  .default([])
  .meta({
    description: 'Additional environment variables of the API.',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
  });

const seconds = (description: string, max = 3600) =>
  z.int().min(1).max(max).optional().meta({ description, format: 'int32' });

const probe = z.strictObject({
  periodSeconds: seconds('Seconds between two probes.'),
  timeoutSeconds: seconds('Timeout of a probe in seconds.', 60),
  failureThreshold: seconds('Number of consecutive failures before the probe counts as failed.', 1000),
});
export type ProbeTiming = z.output<typeof probe>;

export const probes = z.strictObject({
  startup: probe.optional().meta({
    description: 'Startup probe: the time that a pod has to start. Default: 60 probes, one per second.',
  }),
  readiness: probe.optional().meta({
    description:
      'Readiness probe: a pod that fails it receives no requests. Default: 2 failures, one probe per 2 s.',
  }),
  liveness: probe.optional().meta({
    description:
      'Liveness probe: a container that fails it is restarted. Default: 3 failures, one probe per 10 s.',
  }),
});

const toleration = z.strictObject({
  key: z
    .string()
    .max(316)
    .optional()
    .meta({ description: 'Taint key. Unset with operator Exists: all taints.' }),
  operator: z
    .enum(['Exists', 'Equal'])
    .optional()
    .meta({ description: 'Operator that compares key and value. Default: Equal.' }),
  value: z.string().max(63).optional().meta({ description: 'Taint value.' }),
  effect: z
    .enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])
    .optional()
    .meta({ description: 'Taint effect. Unset: all effects.' }),
  tolerationSeconds: z.int().min(0).max(2_147_483_647).optional().meta({
    description: 'Time in seconds that a NoExecute taint is tolerated. Unset: without limit.',
    format: 'int64',
  }),
});

export const scheduling = z.strictObject({
  nodeSelector: labels.optional().meta({ description: 'Labels that a node must have.' }),
  tolerations: z
    .array(toleration)
    .max(32)
    .optional()
    .meta({ description: 'Taints of nodes that the pods tolerate.', 'x-kubernetes-list-type': 'atomic' }),
  priorityClassName: objectName.optional().meta({ description: 'PriorityClass of the pods.' }),
  affinity: affinity.optional().meta({
    description:
      'Affinity to nodes and to other pods. `availability.topologySpread` spreads the pods of a revision.',
  }),
});

export const imagePullSecrets = z
  .array(z.strictObject({ name: objectName.meta({ description: 'Name of a Secret in this namespace.' }) }))
  .max(8)
  .optional()
  .meta({
    description: 'Secrets with the credentials of a private image registry.',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
  });

export const terminationGracePeriod = durationWithin('0s', '24h')
  .optional()
  .meta({
    description: 'Time that a pod has to finish its requests when it terminates. Default: 45s.',
    examples: ['45s', '2m'],
  });

const podCount = z.int().min(1).max(100);

const componentAutoscaling = z
  .strictObject({
    minReplicas: podCount
      .optional()
      .meta({ description: 'Minimum number of its pods. Default: 1.', format: 'int32' }),
    maxReplicas: podCount.meta({ description: 'Maximum number of its pods.', format: 'int32' }),
    cpu: z.int().min(1).max(1000).optional().meta({
      description: 'Target average CPU utilization, in percent of the requests of its pods. Default: 70.',
      format: 'int32',
    }),
  })
  .meta(
    cel({
      rule: '!has(self.minReplicas) || self.minReplicas <= self.maxReplicas',
      message: 'minReplicas must not be more than maxReplicas',
      fieldPath: '.minReplicas',
    }),
  );

const workerCanary = z.strictObject({
  enabled: z.boolean().default(false).meta({
    description:
      'During a delivery, the new revision has its share of the workers, and so of the jobs. Otherwise the workers stay on the stable revision until the promotion.',
  }),
  minWeight: z.int().min(1).max(100).optional().meta({
    description:
      'Weight in percent from which the new revision has workers, at least one. Default: 1. With few workers, one of them is a larger share than a small weight.',
    format: 'int32',
  }),
});

const componentFields = (what: string) => ({
  enabled: z
    .boolean()
    .default(false)
    .meta({ description: `Runs ${what}.` }),
  replicas: z
    .int()
    .min(0)
    .max(100)
    .default(1)
    .meta({ description: 'Number of its pods. Omit it with `autoscaling`.', format: 'int32' }),
  autoscaling: componentAutoscaling
    .optional()
    .meta({ description: 'Scales the number of its pods with a HorizontalPodAutoscaler.' }),
  resources: resources
    .optional()
    .meta({ description: 'Compute resources of each of its pods. Default: those of the API.' }),
});

const eitherReplicas: CelRule = {
  rule: '!has(self.autoscaling) || self.replicas == 1',
  message: 'give either replicas or autoscaling',
  fieldPath: '.replicas',
};

const worker = z
  .strictObject({
    ...componentFields(
      'the background jobs (webhooks, delivery roll-ups, retention, annotations) in separate pods; needs redis',
    ),
    canary: workerCanary.optional().meta({ description: 'The worker as part of a delivery.' }),
  })
  .meta(
    cel(eitherReplicas, {
      rule: '!has(self.autoscaling) || !has(self.canary) || !self.canary.enabled',
      message:
        'canary needs a fixed number of workers: a HorizontalPodAutoscaler cannot scale the Deployments of two revisions; give replicas',
      fieldPath: '.canary',
    }),
  );

const login = z
  .strictObject(
    componentFields('the login (passwords and refresh tokens) in separate pods; needs auth.jwtSecretRef'),
  )
  .meta(cel(eitherReplicas));

export const components = z.strictObject({
  worker: worker.optional().meta({ description: 'The worker, which runs background jobs.' }),
  auth: login.optional().meta({ description: 'The login, with its own Service `<name>-auth`.' }),
});
