/** Where a delivery stands: the part of the status that the operator reads back. */
import { z } from 'zod';
import { longText, shortText, time } from '../kubernetes.js';
import { jobPayloads } from './job-payloads.js';
import { backfillStatus, migrationState } from './migration.js';
import { recordedSchemaCheck } from './schema-check.js';
import { count, MAX_REVISIONS, migrationNames, percent } from './values.js';

export const failedDelivery = z.strictObject({
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

export const approvalRecord = z.strictObject({
  step: count('Step of the strategy, from 0.'),
  by: shortText.meta({
    description: 'User that the authenticating proxy named, or the webhook that the link was sent to.',
  }),
  at: time('Time of the approval.'),
});

export const deliveryPosition = z.strictObject({
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
      linksExpireAt: time('Time at which its approval links expire, by the system clock.').optional(),
      linksExpired: z.boolean().optional().meta({
        description: 'Whether they have expired. They remain expired if the clock is set back.',
      }),
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
