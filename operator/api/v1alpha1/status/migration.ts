/** Migrations in the status: their state, and the progress of a backfill. */
import { z } from 'zod';
import { longText, shortText, time } from '../kubernetes.js';
import { count, migrationNames, rowCount } from './values.js';

export const backfillStatus = z.strictObject({
  name: shortText.meta({ description: 'Name of the backfill.' }),
  rows: rowCount('Number of processed rows.'),
  total: rowCount('Number of rows in the table, estimated by PostgreSQL.'),
  rowsPerSecond: rowCount('Processed rows per second.'),
  secondsLeft: rowCount('Estimated remaining time in seconds.').optional(),
  cancelled: z.boolean().optional().meta({ description: 'Whether it was cancelled with `migrate cancel`.' }),
});
export type BackfillStatus = z.infer<typeof backfillStatus>;

export const migrationState = z.enum(['Pending', 'Planned', 'Running', 'Succeeded', 'Failed', 'Disabled']);

export const migrationStatus = z.strictObject({
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
export type MigrationStatus = z.output<typeof migrationStatus>;
