/** The input of every step and rule of the planner. */
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import type { DeliverySpec } from './delivery-spec.js';
import type { Observation, RevisionView } from './observation.js';
import { isMigrated, viewOf } from './revision-view.js';

/** Immutable: a step that changes the position returns a position for {@link withPosition}. */
export interface DeliveryContext {
  readonly spec: DeliverySpec;
  readonly observation: Observation;
  /** The position before this plan: `status.delivery`, completed from records and migration Jobs. */
  readonly recorded: DeliveryPosition;
  /** The position as planned so far. */
  readonly position: DeliveryPosition;
  /** The observed revisions, with `canary` in place of the observed one. */
  readonly revisions: readonly RevisionView[];
  /** The stable revision of `position`. */
  readonly stable: RevisionView | undefined;
  /** The revision that `position` delivers, see {@link withMigrationRerun}. */
  readonly canary: RevisionView | undefined;
  /** In milliseconds since the epoch. */
  readonly now: number;
}

export function createContext(
  observation: Observation,
  spec: DeliverySpec,
  recorded: DeliveryPosition,
  now: number,
): DeliveryContext {
  return resolve({ observation, spec, recorded, now }, recorded);
}

export function withPosition(context: DeliveryContext, position: DeliveryPosition): DeliveryContext {
  return resolve(context, position);
}

function resolve(
  { observation, spec, recorded, now }: Pick<DeliveryContext, 'observation' | 'spec' | 'recorded' | 'now'>,
  position: DeliveryPosition,
): DeliveryContext {
  const revisions = withMigrationRerun(observation, recorded, position);
  const resolved = (name: string | undefined) => (name ? viewOf(revisions, name) : undefined);
  const [stable, canary] = [resolved(position.stable), resolved(position.update)];
  return { observation, spec, recorded, position, revisions, stable, canary, now };
}

/**
 * A delivery that reruns its migrations cannot rely on earlier Jobs: the database may have lost their changes.
 * Until the rerun succeeded, pods of an earlier attempt count as not ready, unless no stable pod can serve
 * instead. When the delivery starts, the observation still has the state of the earlier Jobs.
 */
function withMigrationRerun(
  { revisions }: Observation,
  recorded: DeliveryPosition,
  { stable, update, rerunMigrations, startedAt }: DeliveryPosition,
): readonly RevisionView[] {
  if (!update || !rerunMigrations) return revisions;
  const isStarting = recorded.startedAt !== startedAt;
  if (!isStarting && isMigrated(viewOf(revisions, update))) return revisions;
  const canStableServe = stable !== undefined && viewOf(revisions, stable).ready > 0;
  const rerun = {
    ...(isStarting ? ({ migration: 'Pending', nextStage: undefined } as const) : {}),
    ...(canStableServe ? { ready: 0 } : {}),
  };
  return revisions.map((revision) => (revision.name === update ? { ...revision, ...rerun } : revision));
}
