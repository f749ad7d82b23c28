/**
 * The rollback floor: the oldest revision that can run with the schema. A contract migration removes what earlier
 * code needs, so a revision can run only if its image has all contract migrations that were started.
 */
import type { DeliveryPosition } from '../api/v1alpha1/status/delivery-position.js';
import type { RevisionView } from './observation.js';
import { viewOf } from './revision-view.js';

type Contracted = NonNullable<DeliveryPosition['contracted']>;
type Schema = Pick<DeliveryPosition, 'knownMigrations' | 'contracted'>;
/** The part of a revision that decides whether it can run. */
export type Candidate = Pick<RevisionView, 'name' | 'number' | 'image'>;

/** Whether a revision can run with the schema. */
export function canRun(all: readonly Candidate[], schema: Schema, name: string): boolean {
  const { contracted, knownMigrations } = schema;
  if (!contracted || contracted.migrations.length === 0) return true; // all were restored
  const reported = canRunAfter(all, knownMigrations, name, contracted);
  if (reported !== undefined) return reported;
  // It was never migrated: its code is newer, unless it is an old image with new settings.
  const candidate = all.find((one) => one.name === name);
  const isOld = ({ number = 0 }: Candidate) => number < contracted.number;
  if (!candidate || isOld(candidate)) return false;
  const older = all.find((one) => one.name !== name && one.image === candidate.image && isOld(one));
  return older === undefined || canRun(all, schema, older.name);
}

/** Whether a revision can run after these contract migrations; undefined if it did not report its migrations. */
export function canRunAfter(
  all: readonly Candidate[],
  knownMigrations: DeliveryPosition['knownMigrations'],
  name: string,
  contracted: Pick<Contracted, 'revision' | 'image' | 'migrations'>,
): boolean | undefined {
  const image = all.find((one) => one.name === name)?.image;
  if (name === contracted.revision || (image !== undefined && image === contracted.image)) return true;
  const known = knownMigrations?.find(({ revision }) => revision === name)?.migrations;
  return known && contracted.migrations.every((migration) => known.includes(migration));
}

/** The oldest recorded revision that can run with the schema; undefined if no contract migration was started. */
export function rollbackFloor<T extends Candidate>(all: readonly T[], schema: Schema): T | undefined {
  if (!schema.contracted?.migrations.length) return undefined;
  const byAge = all.toSorted((a, b) => (a.number ?? 0) - (b.number ?? 0));
  return byAge.find(({ name }) => canRun(all, schema, name));
}

/** Why a revision is rejected; undefined if it can run with the schema. */
export function belowFloorMessage(
  all: readonly Candidate[],
  schema: Schema,
  name: string,
): string | undefined {
  const { contracted, knownMigrations } = schema;
  if (!contracted || canRun(all, schema, name)) return undefined;
  const rejected = all.find((one) => one.name === name);
  const floor = titleOf(rollbackFloor(all, schema), contracted.revision);
  const own = knownMigrations?.filter(({ revision }) => revision === name) ?? [];
  if (own.some(({ unreported }) => unreported)) {
    return (
      `the report of ${titleOf(rejected, name)} on its migrations could not be read, so it may need what ` +
      `${contracted.migrations.join(', ')} dropped at ${contracted.at}; kubectl pcf retry runs its migrations again`
    );
  }
  const lacking = contracted.migrations.filter((migration) => !own[0]?.migrations.includes(migration));
  const end = contracted.hidden
    ?.map(({ until }) => until)
    .toSorted()
    .at(-1);
  const window = contracted.purged && end ? `, which was purged after its window ended at ${end}` : '';
  return (
    `${titleOf(rejected, name)} does not support the schema: it needs what ${lacking.join(', ')} dropped at ${contracted.at}${window}, ` +
    `and a rollback would not restore that data; the oldest supported revision is ${floor}`
  );
}

function titleOf(candidate: Candidate | undefined, name: string): string {
  return candidate?.image ? `${name} (${candidate.image})` : name;
}

/** Contract migrations of the stable revision that were not started. */
export function pendingContracts({ stable, knownMigrations, contracted }: DeliveryPosition): string[] {
  const known = knownMigrations?.find(({ revision }) => revision === stable)?.migrations ?? [];
  return known.filter((migration) => !contracted?.migrations.includes(migration));
}

/** The record of a contract that starts now. */
export function startedContract(
  revisions: readonly RevisionView[],
  position: DeliveryPosition,
  now: number,
): Contracted {
  const revision = position.stable!;
  const { number = 0, image } = viewOf(revisions, revision);
  const pending = pendingContracts(position);
  const migrations = [...(position.contracted?.migrations ?? []), ...pending];
  const earlier = position.contracted?.done ? [] : (position.contracted?.unfinished ?? []);
  const at = new Date(now).toISOString();
  const { restores, restoredAt, purgedAt, hidden, purged } = position.contracted ?? {};
  return {
    ...{ revision, number, ...(image ? { image } : {}), migrations, at },
    unfinished: [...earlier, ...pending],
    ...(restores ? { restores } : {}),
    ...(restoredAt ? { restoredAt } : {}),
    ...(purgedAt ? { purgedAt } : {}),
    // The window of an earlier contract.
    ...(hidden && !purged ? { hidden } : {}),
  };
}
