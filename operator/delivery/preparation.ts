/** Migrations before the first pod of a revision: which Job runs next, and which approval is required. */
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import type { DeliveryContext } from './context.js';
import type { MigrationJob, MigrationStage, Observation } from './observation.js';
import { deliveryId } from './request-ids.js';
import { isMigrated } from './revision-view.js';
import { windowFor } from './window-hold.js';

/** The Job of the revision being delivered: plan if approval is required, then expand, then backfill. */
export function preparationJob(context: DeliveryContext): MigrationJob | undefined {
  const { canary, position, spec } = context;
  if (!canary || spec.paused) return undefined;
  const { name: revision, migration, nextStage: stage, nextAttempt = 1 } = canary;
  if (!stage || (migration === 'Planned' && !isApproved(context))) return undefined;
  if (windowFor(context, 'Start')) return undefined;
  return { revision, stage, attempt: Math.max(nextAttempt, position.attempt ?? 1) };
}

/** The window that the next migration Job waits for. A Job that runs is not stopped. */
export function preparationWindow(context: DeliveryContext): string | undefined {
  const { canary, spec } = context;
  if (!canary?.nextStage || spec.paused) return undefined;
  const isUnapproved = canary.migration === 'Planned' && !isApproved(context);
  return isUnapproved ? undefined : windowFor(context, 'Start');
}

/**
 * Records the final figures of the delivery's backfill. Its Job and pod may be deleted during a canary,
 * which must neither rerun the backfill nor lose the figures. The record is removed when the migrations
 * run again.
 */
export function recordBackfill(
  { position: { update }, revisions }: Pick<Observation, 'position' | 'revisions'>,
  knownMigrations: NonNullable<DeliveryPosition['knownMigrations']>,
): NonNullable<DeliveryPosition['knownMigrations']> {
  const canary = revisions.find(({ name }) => name === update);
  if (!canary) return knownMigrations;
  const { backfill, progress } = canary;
  const done = { ...(backfill ? { backfilled: true } : {}), ...(progress ? { progress } : {}) };
  return knownMigrations.map((known) => {
    if (known.revision !== update) return known;
    const { backfilled: _, progress: _before, ...rest } = known;
    return { ...rest, ...(isMigrated(canary) ? done : {}) };
  });
}

/**
 * Whether a running Job is obsolete because its delivery was aborted or superseded: a backfill would block the
 * migrations of the next delivery. Its cursor is in the database, so no work is lost. A contract is never stopped:
 * a partial one is worse than a complete one.
 */
export function isObsolete(
  { stable, update }: DeliveryPosition,
  revision: string,
  stage: MigrationStage,
): boolean {
  if (stage !== 'plan' && stage !== 'expand' && stage !== 'backfill') return false;
  return revision !== update && revision !== stable;
}

/** Identifies the approval that the migrations wait for; undefined if they wait for none. */
export function requiredApproval(context: DeliveryContext): string | undefined {
  const isPlanned = context.canary?.migration === 'Planned';
  return isPlanned && !isApproved(context) ? approvalId(context.position) : undefined;
}

/** Id of the approval of the expand migrations of a delivery. */
function approvalId(position: DeliveryPosition): string {
  return `${deliveryId(position)}/expand`;
}

function isApproved({ position, spec: { requests } }: DeliveryContext): boolean {
  return requests.approve === approvalId(position);
}
