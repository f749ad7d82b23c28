/** `spec` of a PcfApi: what a person asks for. The one source of the CRD, the types and the reference. */
import { z } from 'zod';
import { ENV } from '../../../contract/image.js';
import { cel, duration, objectName, quantity, secretKeyRef } from './kubernetes.js';

const reservedEnv = Object.values(ENV);

const resourceList = z.strictObject({
  cpu: quantity.optional().meta({ description: 'CPU, in cores (`2`) or thousandths (`500m`).' }),
  memory: quantity.optional().meta({ description: 'Memory, in bytes with a suffix (`512Mi`, `2Gi`).' }),
});

const resources = z.strictObject({
  requests: resourceList.optional().meta({ description: 'What the scheduler reserves for each pod.' }),
  limits: resourceList.optional().meta({ description: 'What a pod may use at most.' }),
});

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

const traffic = z
  .strictObject({
    provider: z
      .enum(['Istio', 'GatewayAPI', 'None'])
      .default('None')
      .meta({
        description:
          'Who splits the traffic. `Istio` writes a VirtualService and a DestinationRule, `GatewayAPI` an HTTPRoute. ' +
          '`None` needs no mesh: the share follows the number of ready pods behind the Service.',
      }),
    hosts: z
      .array(
        z
          .string()
          .min(1)
          .max(253)
          .regex(/^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/),
      )
      .max(16)
      .default([])
      .meta({ description: 'Host names that clients use.', 'x-kubernetes-list-type': 'set' }),
    gateways: z
      .array(
        z
          .string()
          .min(1)
          .max(317)
          .regex(/^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/),
      )
      .max(16)
      .default([])
      .meta({
        description: 'Gateways the routes attach to, as `namespace/name`, or `name` in this namespace.',
        'x-kubernetes-list-type': 'set',
      }),
  })
  .meta(
    cel(
      {
        rule: "self.provider == 'None' || size(self.hosts) > 0",
        message: 'hosts must name at least one host when provider is Istio or GatewayAPI',
        fieldPath: '.hosts',
      },
      {
        rule: "self.provider != 'GatewayAPI' || size(self.gateways) > 0",
        message: 'gateways must name at least one Gateway when provider is GatewayAPI',
        fieldPath: '.gateways',
      },
    ),
  );

const migrations = z.strictObject({
  mode: z.enum(['Automatic', 'Disabled']).default('Automatic').meta({
    description:
      "`Automatic` runs the image's migrations before the first pod of a revision; `Disabled` leaves the schema to you.",
  }),
  deadline: duration.default('15m').meta({
    description: 'How long the migrations of a revision may take, retries included.',
    examples: ['15m', '1h'],
  }),
});

const config = z.record(z.string(), z.record(z.string(), z.unknown())).meta({
  description:
    'Settings of the API that differ from its base and environment layers, by section: ' +
    '`config: { graphql: { playground_enabled: true } }`. The image checks them against its own schema; ' +
    'a key it does not know stops the delivery before any pod starts.',
  examples: [{ logging: { level: 'debug' } }],
});

export const pcfApiSpec = z.strictObject({
  image: z
    .string()
    .min(1)
    .max(512)
    .regex(/^[a-z0-9][^\s]*$/)
    .meta({
      description: 'Image of the API, by tag or digest. A new image starts a delivery.',
      examples: ['registry.example.com/pcf-api:1.4.0'],
    }),
  environment: z.enum(['development', 'staging', 'production']).default('production').meta({
    description: 'Picks the config layer of the API, and the defaults for replicas and resources.',
  }),
  replicas: z.int().min(0).max(1000).optional().meta({
    description:
      'Pods that carry the whole traffic. A canary runs beside them. Default: 1 in development, 2 in staging, 3 in production.',
    format: 'int32',
  }),
  canaryWeight: z
    .int()
    .min(0)
    .max(100)
    .optional()
    .meta({
      description:
        'Share of the traffic, in percent, that a new revision gets. 0: only requests with the header `x-canary: true`; ' +
        '100: promote it. Left out: promote as soon as its pods are ready. May be edited at any time.',
      format: 'int32',
    }),
  paused: z.boolean().default(false).meta({
    description:
      'Freezes the delivery where it stands. Drift is still repaired, and a pod that is not ready still gets no traffic.',
  }),
  resources: resources.optional().meta({
    description: 'CPU and memory of each API pod. Default: by environment.',
  }),
  env: z
    .array(envVar)
    .max(128)
    .default([])
    .meta({
      description: 'Further environment variables of the API.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    }),
  config: config.optional(),
  database: z
    .strictObject({
      secretRef: secretKeyRef('the PostgreSQL URL', 'database-url').meta({
        description: 'The Secret that holds the PostgreSQL URL, `postgresql://user:password@host:5432/name`.',
      }),
    })
    .meta({ description: 'The PostgreSQL database of the API.' }),
  redis: z
    .strictObject({
      secretRef: secretKeyRef('the Redis URL', 'redis-url').meta({
        description: 'The Secret that holds the Redis URL, `redis://host:6379`.',
      }),
    })
    .optional()
    .meta({ description: 'Redis, for caches. The API serves on when it is away.' }),
  traffic: traffic.optional().meta({ description: 'How traffic reaches the API. Default: provider None.' }),
  migrations: migrations.optional().meta({ description: 'How the database schema follows the image.' }),
});

export type PcfApiSpec = z.output<typeof pcfApiSpec>;
