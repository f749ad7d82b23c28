/**
 * `status` of a PcfApi: a report for people and programs. Read back are only `delivery`, where the delivery stands, and the
 * last measurements of analyses and of `freezeWhen`.
 */
import { z } from 'zod';
import { condition, longText, shortText, time } from './kubernetes.js';
import { analysisStatus } from './status/analysis.js';
import { authStatus } from './status/auth.js';
import { autoscalingStatus } from './status/autoscaling.js';
import { approvalRecord, deliveryPosition, failedDelivery } from './status/delivery-position.js';
import { migrationStatus } from './status/migration.js';
import { schemaCheckStatus } from './status/schema-check.js';
import { count, MAX_REVISIONS, percent } from './status/values.js';
import { windowsStatus } from './status/windows.js';

export const PHASES = [
  'Pending',
  'Migrating',
  'Progressing',
  'Canary',
  'Paused',
  'Ready',
  'Degraded',
  'Failed',
  'Deleting',
] as const;
export type Phase = (typeof PHASES)[number];

const trafficStatus = z.strictObject({
  desiredWeight: percent('Desired weight of the new revision, in percent.'),
  effectiveWeight: percent(
    'Effective weight of the new revision, in percent, according to the route that was read back.',
  ),
  verified: z
    .boolean()
    .meta({ description: 'Whether the route that was read back equals the route that was written.' }),
  stickyCookie: shortText.optional().meta({
    description:
      'Cookie that keeps each user at one revision. The weight is then the share of the users. Unset: each request is distributed by the weights.',
  }),
  reason: longText.optional().meta({
    description:
      'Reason why the weights differ, why an aborted revision still has traffic, or why the route is not verified.',
  }),
});

const revisionStatus = z.strictObject({
  name: shortText.meta({ description: 'Name of its Deployment, ConfigMap and ControllerRevision.' }),
  image: shortText.meta({ description: 'Image of the revision.' }),
  replicas: count('Desired number of pods.'),
  readyReplicas: count('Number of pods that can receive traffic.'),
  weight: percent('Weight of the revision in the route, in percent.'),
  workers: z
    .strictObject({
      replicas: count('Desired number of its workers.'),
      readyReplicas: count('Number of its workers that are ready.'),
      share: percent('Share of the ready workers, and so of the jobs, in percent.'),
    })
    .optional()
    .meta({ description: 'Workers of the revision, with `components.worker.canary`.' }),
});

const deliveryRecord = z.strictObject({
  revision: shortText.meta({ description: 'Revision that was delivered.' }),
  number: count('Number of the revision.'),
  image: shortText.meta({ description: 'Image of the revision.' }),
  commit: shortText.optional().meta({ description: 'Commit of the image.' }),
  committedAt: time('Time of the commit.').optional(),
  startedAt: time('Start of the delivery.'),
  firstTrafficAt: time('Time at which the revision first received traffic.').optional(),
  finishedAt: time('End of the delivery.'),
  outcome: z.enum(['Promoted', 'Aborted', 'Undone', 'RolledBack', 'Cancelled', 'Superseded']).meta({
    description:
      'Outcome of the delivery. Undone: an undo, which delivered an earlier revision again. RolledBack: the spec was reverted to the ' +
      'stable revision after the new revision had traffic. Cancelled: the same before it had traffic. Superseded: the spec was changed to another revision.',
  }),
  reason: shortText.optional().meta({ description: 'Reason of the abort, in UpperCamelCase.' }),
  by: shortText.optional().meta({
    description:
      'Field manager that caused the outcome: it changed the spec or requested the abort. pcf-operator: the operator decided. ' +
      'After an abort with an approval link, the user that the authenticating proxy named, or the webhook that the link was sent to.',
  }),
  approvals: z
    .array(approvalRecord)
    .max(64)
    .optional()
    .meta({ description: 'Steps that were promoted with approval links.' }),
});
export type DeliveryRecord = z.infer<typeof deliveryRecord>;

const stepStatus = z.strictObject({
  index: count('Index of the step, from 0. Equal to `of` after the last step.'),
  of: count('Number of steps.'),
  weight: percent('Weight of the step, in percent.'),
  since: time('Time at which the weight of the step took effect.').optional(),
  waitingFor: longText.optional().meta({ description: 'Condition that the step waits for.' }),
});

export const pcfApiStatus = z.strictObject({
  observedGeneration: z
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .optional()
    .meta({ description: 'metadata.generation that this status was computed for.', format: 'int64' }),
  phase: z.enum(PHASES).optional().meta({ description: 'Phase of the PcfApi: a summary of its conditions.' }),
  reason: shortText.optional().meta({ description: 'Reason of the condition Ready, in UpperCamelCase.' }),
  since: time('Time since which this is the reason.').optional(),
  conditions: z
    .array(condition)
    .max(32)
    .optional()
    .meta({
      description:
        'Conditions: Ready, Reconciling, Stalled (kstatus), Available, Progressing, MigrationsApplied, TrafficRouted, Degraded, and AutoscalingLimited while it applies.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
    }),
  stableRevision: shortText.optional().meta({ description: 'Revision that was promoted last.' }),
  updateRevision: shortText
    .optional()
    .meta({ description: 'Revision being delivered; not set without a delivery.' }),
  stableImage: shortText.optional().meta({ description: 'Image of the stable revision.' }),
  updateImage: shortText.optional().meta({ description: 'Image of the revision being delivered.' }),
  replicas: count(
    'Number of pods that one revision needs for the whole traffic: the current value for autoscalers. See `revisions` for all pods.',
  ).optional(),
  readyReplicas: count('Number of pods of all revisions that can receive traffic.').optional(),
  selector: shortText.optional().meta({
    description:
      'Label selector of the pods that autoscalers measure. It selects one revision if that revision has all traffic, or if measuring both would distort the load.',
  }),
  traffic: trafficStatus.optional().meta({ description: 'Desired and effective weight.' }),
  step: stepStatus.optional().meta({ description: 'Current step of the strategy.' }),
  windows: windowsStatus.optional().meta({
    description:
      'Windows and freezes that apply to this PcfApi: those of `spec.windows`, and of each PcfWindow that selects it.',
  }),
  failed: failedDelivery
    .optional()
    .meta({ description: 'Revision that was aborted. Present while the spec describes it.' }),
  history: z
    .array(deliveryRecord)
    .max(100)
    .optional()
    .meta({ description: 'Finished deliveries, newest first.' }),
  migration: migrationStatus.optional().meta({ description: 'State of the database migrations.' }),
  schemaCheck: schemaCheckStatus.optional().meta({
    description: 'Breaking changes of the GraphQL schema of the new revision that clients use.',
  }),
  analysis: analysisStatus.optional().meta({ description: 'Analysis of the new revision.' }),
  auth: authStatus.optional().meta({ description: 'Signing keys of tokens, with `auth.rotation.interval`.' }),
  autoscaling: autoscalingStatus.optional().meta({
    description: 'Settings of the horizontal autoscaler, with `autoscaling.horizontal.onChange: Rollout`.',
  }),
  revisions: z
    .array(revisionStatus)
    .max(MAX_REVISIONS)
    .optional()
    .meta({ description: 'Revisions with pods.' }),
  delivery: deliveryPosition
    .optional()
    .meta({ description: 'Position of the delivery. The operator reads it back.' }),
});

export type PcfApiStatus = z.output<typeof pcfApiStatus>;
export type TrafficStatus = z.output<typeof trafficStatus>;

/** Pods of all revisions that should exist. Not `replicas`, which is the size of one revision. */
export function desiredPods({ revisions = [] }: Pick<PcfApiStatus, 'revisions'>): number {
  return revisions.reduce((sum, { replicas }) => sum + replicas, 0);
}
