/** `status` of a PcfApi: a report for people and programs. Only `delivery` is read back: where the delivery stands. */
import { z } from 'zod';
import { condition, longText, shortText, time } from './kubernetes.js';
import { analysisStatus } from './status/analysis.js';

const count = (description: string) => z.int().min(0).max(100_000).meta({ description, format: 'int32' });
const percent = (description: string) => z.int().min(0).max(100).meta({ description, format: 'int32' });
/** Maximum of revisions that are recorded or have pods: more than `revisionHistoryLimit` allows. */
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
  desiredWeight: percent('Share that was asked for the new revision.'),
  effectiveWeight: percent('Share of the new revision in effect: by the route as it was read back.'),
  verified: z.boolean().meta({ description: 'Whether the route was read back as it was written.' }),
  reason: longText.optional().meta({
    description:
      'Why the two weights differ, why a revision that was aborted keeps a share, or why the route is not verified.',
  }),
});

const rowCount = (description: string) =>
  z.int().min(0).max(Number.MAX_SAFE_INTEGER).meta({ description, format: 'int64' });
const migrationNames = (description: string) =>
  z.array(shortText).max(10_000).meta({ description, 'x-kubernetes-list-type': 'atomic' });

const backfillStatus = z.strictObject({
  name: shortText.meta({ description: 'Name of the backfill.' }),
  rows: rowCount('Rows that are processed.'),
  total: rowCount('Rows of the table, as estimated by PostgreSQL.'),
  rowsPerSecond: rowCount('Processed rows per second.'),
  secondsLeft: rowCount('Estimated remaining time in seconds.').optional(),
  cancelled: z.boolean().optional().meta({ description: 'Whether it was cancelled with `migrate cancel`.' }),
});
export type BackfillStatus = z.infer<typeof backfillStatus>;

const migrationState = z.enum(['Pending', 'Planned', 'Running', 'Succeeded', 'Failed', 'Disabled']);

const migrationStatus = z.strictObject({
  revision: shortText.meta({ description: 'Revision of the migrations.' }),
  state: migrationState.meta({ description: 'Where they stand. Planned: they wait to be approved.' }),
  phase: z
    .enum(['plan', 'expand', 'backfill', 'hook', 'contract'])
    .optional()
    .meta({ description: 'What runs now, ran last, or waits to be approved.' }),
  job: shortText.optional().meta({ description: 'Job that runs the phase.' }),
  current: shortText.optional().meta({ description: 'Newest migration in the database.' }),
  applied: migrationNames('Migrations this revision added.').optional(),
  pending: z
    .array(
      z.strictObject({
        name: shortText.meta({ description: 'Name of the migration.' }),
        phase: z.enum(['expand', 'backfill', 'contract']).meta({ description: 'When it runs.' }),
      }),
    )
    .max(10_000)
    .optional()
    .meta({
      description: 'Migrations that the database does not have yet.',
      'x-kubernetes-list-type': 'atomic',
    }),
  ahead: migrationNames('Migrations in the database that the image does not know.').optional(),
  findings: z
    .array(
      z.strictObject({
        migration: shortText.meta({ description: 'The migration.' }),
        rule: shortText.meta({ description: 'Lint rule that it violates.' }),
        statement: longText.meta({ description: 'The statement.' }),
      }),
    )
    .max(1_000)
    .optional()
    .meta({ description: 'What lint has against them.', 'x-kubernetes-list-type': 'atomic' }),
  progress: backfillStatus.optional().meta({ description: 'Progress of the newest backfill.' }),
  summary: shortText.optional().meta({ description: 'State of the migrations in one or two words.' }),
  lockHolder: z
    .strictObject({
      lock: z.enum(['run', 'table']).meta({
        description: 'run: another run of migrations has its turn; table: it has a table that is needed.',
      }),
      pid: z.int().meta({ description: 'Process of PostgreSQL, for pg_terminate_backend.', format: 'int64' }),
      application: shortText.meta({ description: 'application_name of the session.' }),
      user: shortText.optional().meta({ description: 'Database user of the session.' }),
      since: time('Since when its transaction is open.').optional(),
    })
    .optional()
    .meta({ description: 'The session of the database that the migrations wait for.' }),
  duration: shortText.optional().meta({ description: 'Duration of the migrations.' }),
  message: longText.optional().meta({ description: 'Last line of the error.' }),
  waitingFor: longText.optional().meta({ description: 'Condition that the next migration phase waits for.' }),
  approval: longText.optional().meta({
    description: 'What `kubectl pcf migrate approve` writes into the annotation pcf.dev/approve-migrations.',
  }),
  contractAt: time('When the soak ends, and contract may run.').optional(),
  rollbackFloor: z
    .strictObject({
      revision: shortText.meta({ description: 'The revision.' }),
      number: count('Its number.'),
      image: shortText.optional().meta({ description: 'Its image.' }),
      migrations: migrationNames('Contract migrations that older revisions can not live with.'),
    })
    .optional()
    .meta({ description: 'The oldest revision the schema still serves. Going back further is refused.' }),
});

const revisionStatus = z.strictObject({
  name: shortText.meta({ description: 'Name of its Deployment, ConfigMap and ControllerRevision.' }),
  image: shortText.meta({ description: 'Image of the revision.' }),
  replicas: count('Pods it should have.'),
  readyReplicas: count('Pods that can take traffic.'),
  weight: percent('Share of the traffic it is given.'),
});

const failedDelivery = z.strictObject({
  revision: shortText.meta({ description: 'The revision.' }),
  reason: shortText.meta({ description: 'Reason of the abort, in UpperCamelCase.' }),
  message: longText.meta({ description: 'Message with the details of the abort.' }),
  at: time('When it was aborted.'),
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

const deliveryPosition = z.strictObject({
  stable: shortText.optional().meta({ description: 'Revision that was promoted last.' }),
  previous: shortText.optional().meta({ description: 'Revision that was stable before it.' }),
  served: z.array(shortText).max(MAX_REVISIONS).optional().meta({
    description: 'Revisions on record that were stable once: what leads to one of them again is an undo.',
  }),
  update: shortText.optional().meta({ description: 'Revision being delivered.' }),
  startedAt: time('When the current or last delivery began.').optional(),
  firstTrafficAt: time('When its revision first got a share of the traffic.').optional(),
  promotedAt: time('When the stable revision was promoted.').optional(),
  strategy: shortText.optional().meta({ description: 'Strategy that `step` refers to.' }),
  step: count('Step of the strategy, from 0.').optional(),
  stepSince: time('When the weight of the step was first in force.').optional(),
  floor: percent('Share that an earlier strategy had reached.').optional(),
  undo: z
    .boolean()
    .optional()
    .meta({ description: 'It goes back to the previous revision, whose pods still run.' }),
  attempt: count('How often its migrations are tried.').optional(),
  rerunMigrations: z.boolean().optional().meta({
    description: 'Its migrations run again whatever earlier attempts did: somebody asked for another try.',
  }),
  weight: percent('The share last asked for, kept while paused.').optional(),
  scale: count('Pods for the whole traffic, by which the share in force is measured.').optional(),
  progress: deliveryProgress
    .optional()
    .meta({ description: 'Last progress of its pods, from which progressDeadline is counted.' }),
  readySince: time('Since when all pods that were asked for are ready.').optional(),
  failed: failedDelivery.optional().meta({
    description: 'The revision that was aborted. It is not tried again until spec changes, or a retry.',
  }),
  retiring: z
    .array(
      z.strictObject({
        revision: shortText.meta({ description: 'Revision without traffic.' }),
        since: time('When it was last seen without traffic.'),
      }),
    )
    .max(MAX_REVISIONS)
    .optional()
    .meta({ description: 'Revisions whose pods are kept a moment longer, so that an undo is instant.' }),
  knownMigrations: z
    .array(
      z.strictObject({
        revision: shortText.meta({ description: 'The revision.' }),
        migrations: migrationNames(
          'Contract migrations that its image knows, and lives without what they drop.',
        ),
        backfill: z.boolean().optional().meta({ description: 'Whether it needs a backfill.' }),
        unreported: z.boolean().optional().meta({
          description:
            'Its migrations are done, and what they told could not be read: it counts as knowing none.',
        }),
        backfilled: z.boolean().optional().meta({ description: 'Whether that backfill finished.' }),
        progress: backfillStatus.optional().meta({
          description: 'Final progress of the newest backfill, whose Job and pod may be deleted.',
        }),
      }),
    )
    .max(MAX_REVISIONS)
    .optional()
    .meta({ description: 'What revisions on record told of contract migrations when they were migrated.' }),
  contracted: z
    .strictObject({
      revision: shortText.meta({ description: 'Revision whose contract migrations were started last.' }),
      number: count('Its number.'),
      image: shortText.optional().meta({ description: 'Its image.' }),
      migrations: migrationNames('All contract migrations that were begun so far.'),
      at: time('When they were begun.'),
      done: z.boolean().optional().meta({ description: 'Whether they are done.' }),
    })
    .optional()
    .meta({ description: 'What was taken out of the schema: the way back ends there.' }),
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
  image: shortText.meta({ description: 'Its image.' }),
  commit: shortText.optional().meta({ description: 'Commit of the image.' }),
  committedAt: time('When that was committed.').optional(),
  startedAt: time('When the delivery began.'),
  firstTrafficAt: time('When it first got a share of the traffic.').optional(),
  finishedAt: time('When the delivery ended.'),
  outcome: z.enum(['Promoted', 'Aborted', 'Undone', 'RolledBack', 'Cancelled', 'Superseded']).meta({
    description:
      'How it ended. Undone: it went back, and took the traffic from the revision that came after it. RolledBack: the spec ' +
      'asked for the stable revision again, once it had traffic. Cancelled: the same, before anybody saw it.',
  }),
  reason: shortText.optional().meta({ description: 'Reason of the abort, in UpperCamelCase.' }),
  by: shortText.optional().meta({
    description:
      'Who ended it so: the field manager that set what makes the revision, or that asked for the abort; pcf-operator where nobody did.',
  }),
});
export type DeliveryRecord = z.infer<typeof deliveryRecord>;

const stepStatus = z.strictObject({
  index: count('The step, from 0; `of` when all are done.'),
  of: count('How many there are.'),
  weight: percent('Share it asks for.'),
  since: time('Since when that is in force.').optional(),
  waitingFor: longText.optional().meta({ description: 'Condition that the step waits for.' }),
});

export const pcfApiStatus = z.strictObject({
  observedGeneration: z
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .optional()
    .meta({ description: 'metadata.generation that this status speaks of.', format: 'int64' }),
  phase: z.enum(PHASES).optional().meta({ description: 'One word for the whole.' }),
  reason: shortText.optional().meta({ description: 'Reason why it is not Ready, in UpperCamelCase.' }),
  since: time('Since when that has been the reason.').optional(),
  conditions: z
    .array(condition)
    .max(32)
    .optional()
    .meta({
      description:
        'Ready, Reconciling, Stalled (kstatus), Available, Progressing, MigrationsApplied, TrafficRouted, Degraded; AutoscalingLimited while it applies.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
    }),
  stableRevision: shortText.optional().meta({ description: 'Revision that serves by default.' }),
  updateRevision: shortText
    .optional()
    .meta({ description: 'Revision being delivered; not set without a delivery.' }),
  stableImage: shortText.optional().meta({ description: 'Image of the stable revision.' }),
  updateImage: shortText.optional().meta({ description: 'Image of the revision being delivered.' }),
  replicas: count(
    'Pods that one revision needs for the whole traffic, the start value of autoscalers. `revisions` has all pods.',
  ).optional(),
  readyReplicas: count('Pods of all revisions that can take traffic.').optional(),
  selector: shortText.optional().meta({
    description:
      'Label selector of the pods that autoscalers measure: those of one revision if it has the whole traffic, or if the pods of two would look like load.',
  }),
  traffic: trafficStatus
    .optional()
    .meta({ description: 'The weight: asked, in force, and why they differ.' }),
  step: stepStatus.optional().meta({ description: 'Where the delivery is in the steps of its strategy.' }),
  failed: failedDelivery
    .optional()
    .meta({ description: 'The revision that was aborted last, as long as the spec asks for it.' }),
  history: z
    .array(deliveryRecord)
    .max(100)
    .optional()
    .meta({ description: 'Deliveries that ended, the newest first.' }),
  migration: migrationStatus.optional().meta({ description: 'The database schema.' }),
  analysis: analysisStatus.optional().meta({ description: 'The judgement on the new revision.' }),
  revisions: z
    .array(revisionStatus)
    .max(MAX_REVISIONS)
    .optional()
    .meta({ description: 'Every revision that has pods.' }),
  delivery: deliveryPosition
    .optional()
    .meta({ description: 'Where the delivery stands; read back by the operator.' }),
});

export type PcfApiStatus = z.output<typeof pcfApiStatus>;
export type TrafficStatus = z.output<typeof trafficStatus>;
export type MigrationStatus = z.output<typeof migrationStatus>;

/** Pods of all revisions that should exist. Not `replicas`, which is the size of one revision. */
export function desiredPods({ revisions = [] }: Pick<PcfApiStatus, 'revisions'>): number {
  return revisions.reduce((sum, { replicas }) => sum + replicas, 0);
}
