/** `spec` of a PcfApi: what a person asks for. The one source of the CRD, the types and the reference. */
import { z } from 'zod';
import { cel, duration, imageName } from './kubernetes.js';
import { auth, database, migrations, redis, secrets } from './spec/data.js';
import { podMetadata, service, serviceAccount } from './spec/labels.js';
import { notifications } from './spec/notifications.js';
import {
  components,
  env,
  imagePullSecrets,
  probes,
  resources,
  scheduling,
  terminationGracePeriod,
} from './spec/pods.js';
import { reporting } from './spec/reporting.js';
import { autoscaling, availability, monitoring } from './spec/scaling.js';
import { source, strategy } from './spec/strategy.js';
import { network, tls, traffic } from './spec/traffic.js';
import { envFrom, mountsHaveVolumes, tmp, volumeMounts, volumes } from './spec/volumes.js';

const section = z.record(z.string(), z.unknown()).meta({ maxProperties: 256 });
const config = z.record(z.string(), section).meta({
  maxProperties: 64,
  description:
    'Settings of the API that differ from its base and environment layers, by section: ' +
    '`config: { graphql: { playground_enabled: true } }`. The image checks them against its own schema; ' +
    'a key it does not know stops the delivery before any pod starts.',
  examples: [{ logging: { level: 'debug' } }],
});

export const pcfApiSpec = z
  .strictObject({
    image: imageName.meta({
      description: 'Image of the API, by tag or digest. A new image starts a delivery.',
      examples: ['registry.example.com/pcf-api:1.4.0'],
    }),
    imagePullSecrets,
    environment: z.enum(['development', 'staging', 'production']).default('production').meta({
      description:
        'Picks the config layer of the API, and the defaults for replicas, resources, autoscaling and spread.',
    }),
    replicas: z
      .int()
      .min(0)
      .max(1000)
      .optional()
      .meta({
        description:
          'Pods that carry the whole traffic. A canary runs beside them. Leave it out where an autoscaler sets it. ' +
          'Default: 1 in development, 2 in staging, 3 in production.',
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
    source: source
      .optional()
      .meta({ description: 'What the image was built from, for the delivery figures.' }),
    strategy: strategy
      .optional()
      .meta({ description: 'How a new revision takes over. Default: a canary without steps.' }),
    progressDeadline: duration.optional().meta({
      description:
        'How long the pods of a new revision may make no progress before it is aborted. Default: 10m.',
    }),
    revisionHistoryLimit: z.int().min(0).max(50).default(10).meta({
      description: 'Old revisions that stay on record, so that one can go back to them.',
      format: 'int32',
    }),
    paused: z.boolean().default(false).meta({
      description:
        'Freezes the delivery where it stands. Drift is still repaired, and a pod that is not ready still gets no traffic.',
    }),
    resources: resources.optional().meta({
      description: 'CPU and memory of each API pod. Default: by environment.',
    }),
    env,
    envFrom,
    volumes,
    volumeMounts,
    tmp: tmp.optional().meta({ description: 'The volume of the pods for temporary files, `/tmp`.' }),
    podMetadata: podMetadata
      .optional()
      .meta({ description: 'Labels and annotations of your own on every pod. A change starts a delivery.' }),
    config: config.optional(),
    probes: probes.optional().meta({ description: 'How the health of a pod is checked.' }),
    terminationGracePeriod,
    scheduling: scheduling.optional().meta({ description: 'Where pods may run.' }),
    database: database.meta({ description: 'The PostgreSQL database of the API.' }),
    redis: redis.optional().meta({ description: 'Redis, for caches. The API serves on when it is away.' }),
    auth: auth.optional().meta({
      description: 'How the API knows who sends a request. Left out: by API keys alone.',
    }),
    secrets: secrets.optional().meta({ description: 'Where the Secrets come from.' }),
    traffic: traffic.optional().meta({ description: 'How traffic reaches the API. Default: provider None.' }),
    tls: tls.optional().meta({
      description: 'The certificate for `traffic.hosts`: from cert-manager, or a Secret of your own.',
    }),
    service: service.optional().meta({ description: 'Type and annotations of the Service `<name>`.' }),
    serviceAccount: serviceAccount.optional().meta({
      description:
        'Labels and annotations of the ServiceAccount `<name>` of the pods, for the workload identity of a cloud.',
    }),
    network: network.optional().meta({ description: 'What the pods may talk to.' }),
    migrations: migrations.optional().meta({ description: 'How the database schema follows the image.' }),
    autoscaling: autoscaling
      .optional()
      .meta({ description: 'How the number and the size of the pods follow the load.' }),
    availability: availability
      .optional()
      .meta({ description: 'What a node that goes away may take with it.' }),
    components: components.optional().meta({ description: 'Further Deployments of the same image.' }),
    notifications: notifications.optional().meta({ description: 'Who is told of a delivery.' }),
    reporting: reporting.optional().meta({ description: 'Where its deliveries are recorded.' }),
    monitoring: monitoring.optional().meta({ description: 'How it is watched.' }),
  })
  .meta(
    cel(
      {
        rule: '!has(self.tls) || (has(self.traffic) && size(self.traffic.hosts) > 0)',
        message: 'tls needs traffic.hosts: they are the names in the certificate',
        fieldPath: '.tls',
      },
      {
        rule: "!has(self.strategy) || !has(self.strategy.canary) || !has(self.strategy.canary.mirror) || (has(self.traffic) && self.traffic.provider != 'None')",
        message:
          'strategy.canary.mirror needs traffic.provider Istio or GatewayAPI: a Service copies nothing',
        fieldPath: '.strategy.canary.mirror',
      },
      {
        rule: '!has(self.components) || !has(self.components.worker) || !self.components.worker.enabled || has(self.redis)',
        message: 'components.worker needs redis: its queue is there',
        fieldPath: '.components.worker',
      },
      {
        rule: '!has(self.components) || !has(self.components.auth) || !self.components.auth.enabled || has(self.auth)',
        message: 'components.auth needs auth.jwtSecretRef: it signs tokens with it',
        fieldPath: '.components.auth',
      },
      mountsHaveVolumes,
    ),
  );

export type PcfApiSpec = z.output<typeof pcfApiSpec>;
