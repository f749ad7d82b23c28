/** `status` of a PcfApi: a report for people and programs. Only `delivery` is read back: where the delivery stands. */
import { z } from 'zod';
import { condition, longText, shortText, time } from './kubernetes.js';
import { analysisStatus } from './status/analysis.js';
import { authStatus } from './status/auth.js';
import { autoscalingStatus } from './status/autoscaling.js';
import { jobPayloads } from './status/job-payloads.js';
import { recordedSchemaCheck, schemaCheckStatus } from './status/schema-check.js';
import { windowsStatus } from './status/windows.js';

const count = (description: string) => z.int().min(0).max(100_000).meta({ description, format: 'int32' });
const percent = (description: string) => z.int().min(0).max(100).meta({ description, format: 'int32' });
/** Maximum number of revisions that are retained or have pods. Larger than `revisionHistoryLimit` allows. */
const MAX_REVISIONS = 256;

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

const rowCount = (description: string) =>
  z.int().min(0).max(Number.MAX_SAFE_INTEGER).meta({ description, format: 'int64' });
const migrationNames = (description: string) =>
  z.array(shortText).max(10_000).meta({ description, 'x-kubernetes-list-type': 'atomic' });

const backfillStatus = z.strictObject({
  name: shortText.meta({ description: 'Name of the backfill.' }),
  rows: rowCount('Number of processed rows.'),
  total: rowCount('Number of rows in the table, estimated by PostgreSQL.'),
  rowsPerSecond: rowCount('Processed rows per second.'),
  secondsLeft: rowCount('Estimated remaining time in seconds.').optional(),
  cancelled: z.boolean().optional().meta({ description: 'Whether it was cancelled with `migrate cancel`.' }),
});
export type BackfillStatus = z.infer<typeof backfillStatus>;

const migrationState = z.enum(['Pending', 'Planned', 'Running', 'Succeeded', 'Failed', 'Disabled']);

const migrationStatus = z.strictObject({
  revision: shortText.meta({ description: 'Revision of the migrations.' }),
  state: migrationState.meta({
    description: 'State of the migrations. Planned: they wait for approval.',
  }),
  phase: z
    .enum(['plan', 'expand', 'backfill', 'hook', 'contract', 'restore', 'purge'])
    .optional()
    .meta({ description: 'Phase that runs, ran last, or waits for approval.' }),
  job: shortText.optional().meta({ description: 'Job that runs the phase.' }),
  current: shortText.optional().meta({ description: 'Newest migration in the database.' }),
  applied: migrationNames('Migrations that this revision applied.').optional(),
  pending: z
    .array(
      z.strictObject({
        name: shortText.meta({ description: 'Name of the migration.' }),
        phase: z.enum(['expand', 'backfill', 'contract']).meta({ description: 'Phase of the migration.' }),
      }),
    )
    .max(10_000)
    .optional()
    .meta({
      description: 'Migrations that are not applied to the database yet.',
      'x-kubernetes-list-type': 'atomic',
    }),
  ahead: migrationNames('Migrations in the database that are unknown to the image.').optional(),
  findings: z
    .array(
      z.strictObject({
        migration: shortText.meta({ description: 'Name of the migration.' }),
        rule: shortText.meta({ description: 'Lint rule that it violates.' }),
        statement: longText.meta({ description: 'SQL statement.' }),
      }),
    )
    .max(1_000)
    .optional()
    .meta({ description: 'Findings of the migration linter.', 'x-kubernetes-list-type': 'atomic' }),
  progress: backfillStatus.optional().meta({ description: 'Progress of the newest backfill.' }),
  summary: shortText.optional().meta({ description: 'State of the migrations in one or two words.' }),
  lockHolder: z
    .strictObject({
      lock: z.enum(['run', 'table']).meta({
        description:
          'run: another run of migrations holds the advisory lock. table: the session holds a lock on a table.',
      }),
      pid: z.int().meta({
        description: 'Process ID of the PostgreSQL backend, for pg_terminate_backend.',
        format: 'int64',
      }),
      application: shortText.meta({ description: 'application_name of the session.' }),
      user: shortText.optional().meta({ description: 'Database user of the session.' }),
      since: time('Start of its transaction.').optional(),
    })
    .optional()
    .meta({ description: 'Database session that blocks the migrations.' }),
  duration: shortText.optional().meta({ description: 'Duration of the migrations.' }),
  message: longText.optional().meta({ description: 'Last line of the error.' }),
  waitingFor: longText.optional().meta({ description: 'Condition that the next migration phase waits for.' }),
  approval: longText.optional().meta({
    description:
      'Value of the annotation pcf.dev/approve-migrations that approves the migrations. Set by `kubectl pcf migrate approve`.',
  }),
  contractAt: time('End of the soak: contract migrations can start then.').optional(),
  window: z
    .strictObject({
      until: time('End of the window: a purge then drops what is hidden.'),
      migrations: migrationNames('Contract migrations that a rollback within the window reverses.'),
      objects: migrationNames('What they have hidden.').optional(),
    })
    .optional()
    .meta({
      description:
        'The window after contract. A rollback below the rollback floor restores what is hidden, if these migrations are all that the revision does not support.',
    }),
  irreversible: z
    .array(
      z.strictObject({
        migration: shortText.meta({ description: 'Name of the migration.' }),
        reason: longText.meta({ description: 'Reason why it cannot be reversed.' }),
      }),
    )
    .max(1_000)
    .optional()
    .meta({
      description: 'Contract migrations that drop permanently, although `contractWindow` is set.',
      'x-kubernetes-list-type': 'atomic',
    }),
  rollbackFloor: z
    .strictObject({
      revision: shortText.meta({ description: 'Name of the revision.' }),
      number: count('Number of the revision.'),
      image: shortText.optional().meta({ description: 'Image of the revision.' }),
      migrations: migrationNames('Contract migrations that older revisions do not support.'),
    })
    .optional()
    .meta({
      description: 'Oldest revision that the schema supports. A rollback to an older revision is rejected.',
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

const failedDelivery = z.strictObject({
  revision: shortText.meta({ description: 'Name of the revision.' }),
  reason: shortText.meta({ description: 'Reason of the abort, in UpperCamelCase.' }),
  message: longText.meta({ description: 'Message with the details of the abort.' }),
  at: time('Time of the abort.'),
});

/** A change of one of the first four fields starts a new stretch, in which pods are compared from scratch. */
const deliveryProgress = z.strictObject({
  migration: migrationState.meta({ description: 'State of its expand and backfill.' }),
  step: count('Step of the strategy, from 0.'),
  paused: z.boolean().meta({ description: 'Whether it is paused.' }),
  startable: z.boolean().meta({ description: 'Whether everything that a new pod needs exists.' }),
  replicas: count('Maximum number of desired pods since the last change of the fields above.'),
  ready: count('Maximum number of ready pods since the last change of the fields above.'),
  at: time('Time of the last progress.'),
});

const approvalRecord = z.strictObject({
  step: count('Step of the strategy, from 0.'),
  by: shortText.meta({
    description: 'User that the authenticating proxy named, or the webhook that the link was sent to.',
  }),
  at: time('Time of the approval.'),
});

const deliveryPosition = z.strictObject({
  stable: shortText.optional().meta({ description: 'Revision that was promoted last.' }),
  previous: shortText.optional().meta({ description: 'Revision that was stable before it.' }),
  served: z.array(shortText).max(MAX_REVISIONS).optional().meta({
    description: 'Retained revisions that were stable once. A delivery of one of them is an undo.',
  }),
  update: shortText.optional().meta({ description: 'Revision being delivered.' }),
  startedAt: time('Start of the current or last delivery.').optional(),
  firstTrafficAt: time('Time at which its revision first received traffic.').optional(),
  promotedAt: time('Time of the promotion of the stable revision.').optional(),
  beforeContractAt: time(
    'Time at which `beforeContract` succeeded for the next contract. It is run again if contract does not start soon after it.',
  ).optional(),
  strategy: shortText.optional().meta({ description: 'Strategy that `step` refers to.' }),
  step: count('Step of the strategy, from 0.').optional(),
  stepSince: time('Time at which the weight of the step took effect.').optional(),
  approval: z
    .strictObject({
      since: time('Start of the wait. It identifies the wait in approval links.'),
      linksExpireAt: time('Time at which its approval links expire.').optional(),
    })
    .optional()
    .meta({ description: 'Wait of the step for its manual promotion, if it was announced.' }),
  approvals: z
    .array(approvalRecord)
    .max(64)
    .optional()
    .meta({ description: 'Steps that were promoted with approval links.' }),
  floor: percent(
    'Weight that was reached with a previous strategy, in percent. The weight does not fall below it.',
  ).optional(),
  undo: z.boolean().optional().meta({
    description: 'Whether this is an undo: the delivery of the previous revision, whose pods still run.',
  }),
  attempt: count('Number of the attempt at its migrations.').optional(),
  rerunMigrations: z.boolean().optional().meta({
    description:
      'Whether its migrations are rerun from scratch, because a retry was requested. Jobs of previous attempts are ignored.',
  }),
  weight: percent('Last desired weight, in percent. It does not change while paused.').optional(),
  heldWeight: percent(
    'Maximum weight while a window is closed, in percent: the effective weight when it closed.',
  ).optional(),
  scale: count(
    'Number of pods for the whole traffic, from which the effective weight is computed.',
  ).optional(),
  progress: deliveryProgress
    .optional()
    .meta({ description: 'Last progress of its pods, from which progressDeadline is counted.' }),
  readySince: time('Time since which all desired pods are ready.').optional(),
  failed: failedDelivery.optional().meta({
    description:
      'Revision that was aborted. It is not retried until the spec changes or a retry is requested.',
  }),
  retiring: z
    .array(
      z.strictObject({
        revision: shortText.meta({ description: 'Revision without traffic.' }),
        since: time('Time since which it has no traffic.'),
      }),
    )
    .max(MAX_REVISIONS)
    .optional()
    .meta({ description: 'Revisions without traffic whose pods are removed after scaleDownDelay.' }),
  knownMigrations: z
    .array(
      z.strictObject({
        revision: shortText.meta({ description: 'Name of the revision.' }),
        migrations: migrationNames(
          'Contract migrations that its image contains. It does not need the objects that they drop.',
        ),
        backfill: z.boolean().optional().meta({ description: 'Whether the revision needs a backfill.' }),
        unreported: z.boolean().optional().meta({
          description:
            'Whether the report of its finished migrations could not be read. It is treated as an image without contract migrations.',
        }),
        backfilled: z.boolean().optional().meta({ description: 'Whether that backfill finished.' }),
        progress: backfillStatus.optional().meta({
          description: 'Final progress of the newest backfill, whose Job and pod can be deleted.',
        }),
        schemaCheck: recordedSchemaCheck.optional().meta({
          description: 'Breaking changes of its GraphQL schema that clients used when it was checked.',
        }),
        jobs: jobPayloads
          .optional()
          .meta({ description: 'Payload versions of the jobs of its image, by queue.', maxProperties: 100 }),
      }),
    )
    .max(MAX_REVISIONS)
    .optional()
    .meta({
      description:
        'Contract migrations and backfills of retained revisions, as reported by their migration Jobs.',
    }),
  contracted: z
    .strictObject({
      revision: shortText.meta({ description: 'Revision whose contract migrations were started last.' }),
      number: count('Number of the revision.'),
      image: shortText.optional().meta({ description: 'Image of the revision.' }),
      migrations: migrationNames('All contract migrations that were started.'),
      at: time('Time at which the last of them were started.'),
      done: z.boolean().optional().meta({ description: 'Whether they are finished.' }),
      unfinished: migrationNames('Those of them that are not finished, or may not be.').optional(),
      hidden: z
        .array(
          z.strictObject({
            migration: shortText.meta({ description: 'Name of the contract migration.' }),
            until: time('End of its window.'),
            objects: migrationNames('What it has hidden.').optional(),
          }),
        )
        .max(1_000)
        .optional()
        .meta({
          description: 'Contract migrations that `migrate restore` can reverse.',
          'x-kubernetes-list-type': 'atomic',
        }),
      purged: z.boolean().optional().meta({ description: 'Whether the purge has dropped what was hidden.' }),
      restores: count('Number of restores so far.').optional(),
      restoredAt: time(
        'Creation of the Job of the last restore. Contract Jobs created earlier were reversed.',
      ).optional(),
      purgedAt: time('Creation of the Job of the last purge.').optional(),
    })
    .optional()
    .meta({
      description:
        'Contract migrations that were started. Revisions that need the old schema can no longer be delivered.',
    }),
});
export type DeliveryPosition = z.infer<typeof deliveryPosition>;

/** The part of the position that is also recorded at revisions. */
export const positionRecord = deliveryPosition.pick({
  knownMigrations: true,
  contracted: true,
  failed: true,
});
export type PositionRecord = z.infer<typeof positionRecord>;

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
export type MigrationStatus = z.output<typeof migrationStatus>;

/** Pods of all revisions that should exist. Not `replicas`, which is the size of one revision. */
export function desiredPods({ revisions = [] }: Pick<PcfApiStatus, 'revisions'>): number {
  return revisions.reduce((sum, { replicas }) => sum + replicas, 0);
}
