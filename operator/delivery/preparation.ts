/** The migration Job that is to run now. */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import type { DeliverySettings } from './delivery-spec.js';
import type { MigrationJob, MigrationStage, Observation } from './observation.js';
import { deliveryId } from './request-ids.js';
import { migrated, view } from './revision-view.js';

/** Of the revision on its way: plan if it is to be approved, then expand, then backfill. */
export function preparation(
  seen: Observation,
  position: DeliveryPosition,
  settings: DeliverySettings,
): MigrationJob | undefined {
  const { update: revision } = position;
  if (!revision || settings.paused) return undefined;
  const { migration, nextStage: stage, nextAttempt = 1 } = view(seen, revision);
  if (!stage || (migration === 'Planned' && !isApproved(position, settings))) return undefined;
  return { revision, stage, attempt: Math.max(nextAttempt, position.attempt ?? 1) };
}

/**
 * What a delivery that migrates afresh has to go by. The schema may lack what earlier Jobs did, so
 * pods that were left by an earlier try are sent no request before it is there again; and as the
 * delivery begins, it still sees the state that those Jobs had.
 */
export function seenAfresh(
  seen: Observation,
  { stable, update, rerunMigrations, startedAt }: DeliveryPosition,
): Observation {
  if (!update || !rerunMigrations) return seen;
  const begins = seen.position.startedAt !== startedAt;
  const canary = view(seen, update);
  if (!begins && migrated(canary)) return seen;
  const pending = begins ? ({ migration: 'Pending', nextStage: undefined } as const) : {};
  // Where nobody else could answer, a pod that says it is ready is worth more than a rule.
  const canWait = stable !== undefined && view(seen, stable).ready > 0;
  const withheld = { ...canary, ...pending, ...(canWait ? { ready: 0 } : {}) };
  return { ...seen, revisions: seen.revisions.map((one) => (one.name === update ? withheld : one)) };
}

/**
 * Records the final figures of the delivery's backfill. Its Job and pod may be deleted during a canary,
 * which must neither rerun the backfill nor lose the figures. The record is removed when the migrations
 * run again.
 */
export function noteBackfill(
  { position: { update }, revisions }: Observation,
  knownMigrations: NonNullable<DeliveryPosition['knownMigrations']>,
): NonNullable<DeliveryPosition['knownMigrations']> {
  const canary = revisions.find(({ name }) => name === update);
  if (!canary) return knownMigrations;
  const { backfill, progress } = canary;
  const done = { ...(backfill ? { backfilled: true } : {}), ...(progress ? { progress } : {}) };
  return knownMigrations.map((known) => {
    if (known.revision !== update) return known;
    const { backfilled: _, progress: _before, ...rest } = known;
    return { ...rest, ...(migrated(canary) ? done : {}) };
  });
}

/**
 * Whether a Job that runs is of no use any more: its delivery was aborted or superseded, and a
 * backfill would keep the next delivery from the database until it is done. Its cursor is in the
 * database, so nothing is lost. A contract is seen through: half of it is worse than all.
 */
export function isStray(
  { stable, update }: DeliveryPosition,
  revision: string,
  stage: MigrationStage,
): boolean {
  if (stage === 'contract' || stage === 'hook') return false;
  return revision !== update && revision !== stable;
}

/** What somebody must approve of before it continues; undefined when nothing is. */
export function neededApproval(
  seen: Observation,
  position: DeliveryPosition,
  settings: DeliverySettings,
): string | undefined {
  const isAsked = position.update && view(seen, position.update).migration === 'Planned';
  return isAsked && !isApproved(position, settings) ? expandId(position) : undefined;
}

/** Names what is approved: the migrations that this delivery begins with. */
function expandId(position: DeliveryPosition): string {
  return `${deliveryId(position)}/expand`;
}

function isApproved(position: DeliveryPosition, { requests }: DeliverySettings): boolean {
  return requests.approve === expandId(position);
}
