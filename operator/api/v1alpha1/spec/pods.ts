/** What runs in a pod, and where: resources, variables, probes, scheduling. */
import { z } from 'zod';
import { ENV, FILE_SUFFIX } from '../../../../contract/image.js';
import { bareQuantity, cel, durationWithin, labels, objectName, quantity } from '../kubernetes.js';
import { affinity } from './affinity.js';

const reservedEnv = Object.values(ENV).flatMap((name) => [name, name + FILE_SUFFIX]);

const listOf = (amount: typeof quantity) =>
  z.strictObject({
    cpu: amount.optional().meta({ description: 'CPU, in cores (`2`) or thousandths (`500m`).' }),
    memory: amount.optional().meta({ description: 'Memory, in bytes with a suffix (`512Mi`, `2Gi`).' }),
  });

/** Resources of a container. The vertical autoscaler does not size storage. */
const containerListOf = (amount: typeof quantity) =>
  listOf(amount).extend({
    'ephemeral-storage': amount.optional().meta({
      description: 'Storage of the node for logs and `/tmp`, in bytes with a suffix (`1Gi`).',
    }),
  });

const resourcesOf = (list: ReturnType<typeof containerListOf>) =>
  z.strictObject({
    requests: list.optional().meta({ description: 'What the scheduler reserves for each pod.' }),
    limits: list.optional().meta({ description: 'What a pod may use at most.' }),
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
      .meta({ description: 'Where the value comes from, for what must not stand here in the clear.' }),
  })
  .meta(
    cel(
      {
        rule: 'has(self.value) != has(self.valueFrom)',
        message: 'give either value or valueFrom, not both and not neither',
      },
      {
        rule: `!(self.name in ${JSON.stringify(reservedEnv).replaceAll('"', "'")})`,
        message: 'this variable is set by the operator; use the field of spec that is made for it',
        fieldPath: '.name',
      },
    ),
  );

const words = z.array(z.string().max(4096)).max(64);

/** What a Job of the user's own runs. */
export const program = {
  command: words
    .optional()
    .meta({ description: "Program in place of the image's entrypoint.", 'x-kubernetes-list-type': 'atomic' }),
  args: words.optional().meta({ description: 'Its arguments.', 'x-kubernetes-list-type': 'atomic' }),
};

export const env = z
  .array(envVar)
  .max(128)
  .default([])
  .meta({
    description: 'Further environment variables of the API.',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
  });

const seconds = (description: string, max = 3600) =>
  z.int().min(1).max(max).optional().meta({ description, format: 'int32' });

const probe = z.strictObject({
  periodSeconds: seconds('Seconds between two checks.'),
  timeoutSeconds: seconds('Seconds that a check may take.', 60),
  failureThreshold: seconds('Failed checks in a row before it counts.', 1000),
});
export type ProbeTiming = z.output<typeof probe>;

export const probes = z.strictObject({
  startup: probe
    .optional()
    .meta({ description: 'How long a pod may take to start. Default: 60 checks, one a second.' }),
  readiness: probe
    .optional()
    .meta({ description: 'When a pod gets no requests. Default: two failures, two seconds apart.' }),
  liveness: probe
    .optional()
    .meta({ description: 'When a pod is restarted. Default: three failures, ten seconds apart.' }),
});

const toleration = z.strictObject({
  key: z
    .string()
    .max(316)
    .optional()
    .meta({ description: 'Taint key; left out with operator Exists: every taint.' }),
  operator: z
    .enum(['Exists', 'Equal'])
    .optional()
    .meta({ description: 'How key and value are compared. Default: Equal.' }),
  value: z.string().max(63).optional().meta({ description: 'Taint value.' }),
  effect: z
    .enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])
    .optional()
    .meta({ description: 'Left out: every effect.' }),
  tolerationSeconds: z
    .int()
    .min(0)
    .max(2_147_483_647)
    .optional()
    .meta({ description: 'How long a NoExecute taint is tolerated.', format: 'int64' }),
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
    description: 'Secrets for pulling the image from a private registry.',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
  });

export const terminationGracePeriod = durationWithin('0s', '24h')
  .optional()
  .meta({
    description: 'How long a pod may take to finish its requests when it is stopped. Default: 45s.',
    examples: ['45s', '2m'],
  });

const component = (what: string) =>
  z.strictObject({
    enabled: z
      .boolean()
      .default(false)
      .meta({ description: `Runs ${what}.` }),
    replicas: z.int().min(0).max(100).default(1).meta({ description: 'Pods of it.', format: 'int32' }),
    resources: resources
      .optional()
      .meta({ description: 'CPU and memory of each of its pods. Default: as the API.' }),
  });

export const components = z.strictObject({
  worker: component(
    'the background jobs (webhooks, delivery roll-ups, retention, annotations) in pods of their own; needs redis',
  )
    .optional()
    .meta({ description: 'The worker: background jobs.' }),
  auth: component('the login (passwords and refresh tokens) in pods of its own; needs auth.jwtSecretRef')
    .optional()
    .meta({ description: 'The login, behind a Service of its own: `<name>-auth`.' }),
});
