/** `spec` of a PcfApi: the desired state. Single source of the CRD, the types and the reference. */
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
import { apiSection } from './spec/schema-check.js';
import { source, strategy } from './spec/strategy.js';
import { network, tls, traffic } from './spec/traffic.js';
import { envFrom, mountsHaveVolumes, tmp, volumeMounts, volumes } from './spec/volumes.js';
import { windows } from './spec/windows.js';

const section = z.record(z.string(), z.unknown()).meta({ maxProperties: 256 });
const config = z.record(z.string(), section).meta({
  maxProperties: 64,
  description:
    'Settings of the API by section, on top of its base and environment layers, such as ' +
    '`config: { graphql: { playground_enabled: true } }`. The image validates them against its own schema; ' +
    'an unknown key aborts the delivery before a pod starts.',
  examples: [{ logging: { level: 'debug' } }],
});

export const pcfApiSpec = z
  .strictObject({
    image: imageName.meta({
      description: 'Container image of the API, by tag or digest. A change starts a delivery.',
      examples: ['registry.example.com/pcf-api:1.4.0'],
    }),
    imagePullSecrets,
    environment: z.enum(['development', 'staging', 'production']).default('production').meta({
      description:
        'Selects the config layer of the API, and the defaults for replicas, resources, autoscaling and topology spread.',
    }),
    replicas: z
      .int()
      .min(0)
      .max(1000)
      .optional()
      .meta({
        description:
          'Number of pods for the whole traffic. Pods of a canary are created in addition. Omit it if an autoscaler sets it. ' +
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
          'Weight of the new revision: its share of the traffic, in percent. 0: only requests with the header `x-canary: true`. ' +
          '100: it is promoted. Unset: the steps of the strategy apply; without steps it is promoted as soon as its pods are ready. ' +
          'Can be changed at any time.',
        format: 'int32',
      }),
    source: source.optional().meta({ description: 'Source of the image, for the delivery metrics.' }),
    strategy: strategy
      .optional()
      .meta({ description: 'Strategy of a delivery. Default: a canary without steps.' }),
    progressDeadline: duration.optional().meta({
      description:
        'Time without progress of the pods of a new revision after which its delivery is aborted. Default: 10m.',
    }),
    revisionHistoryLimit: z.int().min(0).max(50).default(10).meta({
      description: 'Number of old revisions to retain for rollback.',
      format: 'int32',
    }),
    paused: z.boolean().default(false).meta({
      description:
        'Pauses the delivery at its current weight. Drift is still repaired, and pods that are not ready receive no traffic.',
    }),
    windows: windows.optional().meta({
      description:
        'Times at which a delivery may take steps, in addition to those of each PcfWindow that selects this PcfApi: all of them must be open.',
    }),
    resources: resources.optional().meta({
      description: 'Compute resources of each API pod. Default: depends on `environment`.',
    }),
    env,
    envFrom,
    volumes,
    volumeMounts,
    tmp: tmp.optional().meta({ description: 'The volume for temporary files (`/tmp`) of the pods.' }),
    podMetadata: podMetadata
      .optional()
      .meta({ description: 'Additional labels and annotations of the pods. A change starts a delivery.' }),
    config: config.optional(),
    api: apiSection.optional().meta({ description: 'Contract of the API with its clients.' }),
    probes: probes.optional().meta({ description: 'Timing of the probes of the pods.' }),
    terminationGracePeriod,
    scheduling: scheduling.optional().meta({ description: 'Scheduling constraints of the pods.' }),
    database: database.meta({ description: 'The PostgreSQL database of the API.' }),
    redis: redis.optional().meta({
      description:
        'Redis, for caches and queues. The API continues to serve requests while Redis is unavailable.',
    }),
    auth: auth.optional().meta({
      description: 'Authentication with tokens (JWT). Unset: clients authenticate with API keys only.',
    }),
    secrets: secrets.optional().meta({ description: 'Source of the Secrets.' }),
    traffic: traffic.optional().meta({ description: 'Traffic routing. Default: provider None.' }),
    tls: tls.optional().meta({
      description: 'Certificate for `traffic.hosts`: issued by cert-manager, or from an existing Secret.',
    }),
    service: service.optional().meta({ description: 'Type and annotations of the Service `<name>`.' }),
    serviceAccount: serviceAccount.optional().meta({
      description:
        'Labels and annotations of the ServiceAccount `<name>` of the pods, for example for the workload identity of a cloud provider.',
    }),
    network: network.optional().meta({ description: 'Network access of the pods.' }),
    migrations: migrations.optional().meta({ description: 'Migrations of the database schema.' }),
    autoscaling: autoscaling
      .optional()
      .meta({ description: 'Autoscaling of the number and the size of the pods.' }),
    availability: availability
      .optional()
      .meta({ description: 'Availability during node drains and zone failures.' }),
    components: components.optional().meta({ description: 'Additional Deployments of the same image.' }),
    notifications: notifications.optional().meta({ description: 'Notifications about deliveries.' }),
    reporting: reporting
      .optional()
      .meta({ description: 'Recording of deliveries as deployments in a PCF API.' }),
    monitoring: monitoring.optional().meta({ description: 'Metrics and traces.' }),
  })
  .meta(
    cel(
      {
        rule: '!has(self.tls) || (has(self.traffic) && size(self.traffic.hosts) > 0)',
        message: 'tls needs traffic.hosts: they are the DNS names of the certificate',
        fieldPath: '.tls',
      },
      {
        rule: "!has(self.strategy) || !has(self.strategy.canary) || !has(self.strategy.canary.mirror) || (has(self.traffic) && self.traffic.provider != 'None')",
        message:
          'strategy.canary.mirror needs traffic.provider Istio or GatewayAPI: a Service cannot mirror requests',
        fieldPath: '.strategy.canary.mirror',
      },
      {
        rule: "!has(self.strategy) || !has(self.strategy.canary) || !has(self.strategy.canary.stickiness) || (has(self.traffic) && self.traffic.provider != 'None')",
        message:
          'strategy.canary.stickiness needs traffic.provider Istio or GatewayAPI: a Service cannot read cookies',
        fieldPath: '.strategy.canary.stickiness',
      },
      {
        rule: '!has(self.components) || !has(self.components.worker) || !self.components.worker.enabled || has(self.redis)',
        message: 'components.worker needs redis: it stores the job queue',
        fieldPath: '.components.worker',
      },
      {
        rule: '!has(self.strategy) || !has(self.strategy.canary) || !has(self.strategy.canary.analysis) || self.strategy.canary.analysis.metrics.all(m, !has(m.jobFailureRate) && !has(m.jobDuration)) || (has(self.components) && has(self.components.worker) && self.components.worker.enabled && has(self.components.worker.canary) && self.components.worker.canary.enabled)',
        message:
          'jobFailureRate and jobDuration need components.worker.canary.enabled: otherwise the new revision has no worker before its promotion',
        fieldPath: '.strategy.canary.analysis',
      },
      {
        rule: '!has(self.components) || !has(self.components.auth) || !self.components.auth.enabled || has(self.auth)',
        message: 'components.auth needs auth.jwtSecretRef: it is the signing key of tokens',
        fieldPath: '.components.auth',
      },
      {
        rule: "!has(self.auth) || !has(self.auth.rotation) || !has(self.auth.rotation.interval) || !has(self.secrets) || self.secrets.onChange != 'Rollout'",
        message:
          'auth.rotation.interval needs secrets.onChange Reload: with Rollout each step of a rotation would start a delivery',
        fieldPath: '.auth.rotation.interval',
      },
      mountsHaveVolumes,
    ),
  );

export type PcfApiSpec = z.output<typeof pcfApiSpec>;
