/**
 * The part of a position that is also recorded at the revisions it concerns: a lost status must
 * neither remove the rollback floor nor retry an aborted revision.
 */
import type { DeliveryPosition, PositionRecord } from '../api/v1alpha1/status.js';
import type { Observation } from './observation.js';
import { view } from './revision-view.js';

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

/** With the latest recorded contract: an old status must not lower the rollback floor. */
export function withContractOnRecord(seen: Observation): Observation {
  const { contracted: known } = seen.position;
  const recorded = seen.revisions.flatMap(({ record }) => record?.contracted ?? []);
  const contracted = recorded.reduce<Contracted>((best, one) => further(best, one), known);
  return contracted === known ? seen : { ...seen, position: { ...seen.position, contracted } };
}

/** Each record has all contract migrations that were started so far. */
function further(best: Contracted, one: NonNullable<Contracted>): Contracted {
  return best && best.migrations.length >= one.migrations.length ? best : one;
}

/** Restores what a lost position lacks from the records: known migrations, and the failure of the target. */
export function withRecords(seen: Observation): Observation {
  const recorded = seen.revisions.flatMap(({ record }) => record?.knownMigrations ?? []);
  const names = new Set(recorded.map(({ revision }) => revision));
  const others = (seen.position.knownMigrations ?? []).filter(({ revision }) => !names.has(revision));
  const knownMigrations = [...others, ...recorded];
  const { failed } = view(seen, seen.target).record ?? {};
  const { failed: _, knownMigrations: __, ...rest } = seen.position;
  const position = {
    ...rest,
    ...(knownMigrations.length > 0 ? { knownMigrations } : {}),
    ...(failed ? { failed } : {}),
  };
  return { ...seen, position };
}
