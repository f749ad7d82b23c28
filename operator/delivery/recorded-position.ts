/**
 * The part of a position that is also recorded at the revisions it concerns: a lost status must
 * neither remove the rollback floor nor retry an aborted revision.
 */
import type { DeliveryPosition, PositionRecord } from '../api/v1alpha1/status/delivery-position.js';
import type { Observation } from './observation.js';
import { viewOf } from './revision-view.js';

type Contracted = DeliveryPosition['contracted'];

/** The part of a position to record at a revision; undefined if there is none. */
export function recordOf(position: DeliveryPosition, name: string): PositionRecord | undefined {
  const { stable, failed, contracted } = position;
  const knownMigrations = position.knownMigrations?.filter(({ revision }) => revision === name) ?? [];
  const record: PositionRecord = {
    ...(knownMigrations.length > 0 ? { knownMigrations } : {}),
    // At the stable revision, whichever revision was contracted: its record is retained the longest.
    ...(contracted && name === stable ? { contracted } : {}),
    ...(failed?.revision === name ? { failed } : {}),
  };
  return Object.keys(record).length > 0 ? record : undefined;
}

/** The revisions whose records hold a part of the position. */
export function recordedAt({ stable, failed, knownMigrations = [] }: DeliveryPosition): string[] {
  const names = [stable, failed?.revision, ...knownMigrations.map(({ revision }) => revision)];
  return [...new Set(names.flatMap((name) => name ?? []))];
}

/** The observed position with the latest recorded contract: an old status must not lower the rollback floor. */
export function withRecordedContract({ position, revisions }: Observation): DeliveryPosition {
  const { contracted: known } = position;
  const contracted = latestContract(
    known,
    revisions.map(({ record }) => record),
  );
  return contracted === known ? position : { ...position, contracted };
}

/** The latest of the contracts in `status.delivery` and in the records of the revisions. */
export function latestContract(
  known: Contracted,
  records: readonly (PositionRecord | undefined)[],
): Contracted {
  return records.flatMap((record) => record?.contracted ?? []).reduce<Contracted>(later, known);
}

/** Each record lists all contract migrations that were started and not restored so far. */
function later(latest: Contracted, recorded: NonNullable<Contracted>): Contracted {
  const { restores = 0 } = latest ?? {};
  if (latest && restores !== (recorded.restores ?? 0)) {
    return restores > (recorded.restores ?? 0) ? latest : recorded;
  }
  return latest && latest.migrations.length >= recorded.migrations.length ? latest : recorded;
}

/** Restores what a lost position lacks from the records: known migrations, and the failure of the target. */
export function withRecords(
  { revisions, target }: Observation,
  position: DeliveryPosition,
): DeliveryPosition {
  const { failed: _, knownMigrations: known = [], ...rest } = position;
  const recorded = revisions.flatMap(({ record }) => record?.knownMigrations ?? []);
  const names = new Set(recorded.map(({ revision }) => revision));
  const knownMigrations = [...known.filter(({ revision }) => !names.has(revision)), ...recorded];
  const { failed } = viewOf(revisions, target).record ?? {};
  return {
    ...rest,
    ...(knownMigrations.length > 0 ? { knownMigrations } : {}),
    ...(failed ? { failed } : {}),
  };
}
