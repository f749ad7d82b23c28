/**
 * How far back one can go. Contract migrations take away what earlier code needs, so a
 * revision is safe only if its image knows all that were begun: it was written to live without.
 */
import type { DeliveryPosition } from '../api/v1alpha1/status.js';
import type { Observation, RevisionView } from './observation.js';
import { noteBackfill } from './preparation.js';
import { view } from './revision-view.js';

type Knowledge = NonNullable<DeliveryPosition['knownMigrations']>[number];
type Contracted = NonNullable<DeliveryPosition['contracted']>;
type Known = Pick<DeliveryPosition, 'knownMigrations' | 'contracted'>;
/** What must be told of a revision to judge it. */
export type Candidate = Pick<RevisionView, 'name' | 'number' | 'image'>;

/** Whether a revision can live with the schema as it is. */
export function livesWithSchema(
  all: readonly Candidate[],
  { contracted, knownMigrations }: Known,
  name: string,
): boolean {
  if (!contracted) return true;
  const told = livesWithout(all, knownMigrations, name, contracted);
  if (told !== undefined) return told;
  // It was never migrated: code that is newer, unless it is an old image under new settings.
  const candidate = all.find((one) => one.name === name);
  const isOld = ({ number = 0 }: Candidate) => number < contracted.number;
  if (!candidate || isOld(candidate)) return false;
  const older = all.find((one) => one.name !== name && one.image === candidate.image && isOld(one));
  return older === undefined || livesWithSchema(all, { contracted, knownMigrations }, older.name);
}

/** Whether a revision can live with what these contract migrations leave; undefined when it never told. */
export function livesWithout(
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

/** The oldest revision on record that the schema still serves; undefined while that is each of them. */
export function rollbackFloor<T extends Candidate>(all: readonly T[], known: Known): T | undefined {
  if (!known.contracted) return undefined;
  const byAge = all.toSorted((a, b) => (a.number ?? 0) - (b.number ?? 0));
  return byAge.find(({ name }) => livesWithSchema(all, known, name));
}

/** Why a revision is refused, for people; undefined when it is not. */
export function belowFloor(all: readonly Candidate[], known: Known, name: string): string | undefined {
  const { contracted } = known;
  if (!contracted || livesWithSchema(all, known, name)) return undefined;
  const asked = all.find((one) => one.name === name);
  const floor = titleOf(rollbackFloor(all, known), contracted.revision);
  const isUntold = known.knownMigrations?.some(({ revision, unreported }) => revision === name && unreported);
  if (isUntold) {
    return (
      `${titleOf(asked, name)} told nothing that can be read of the migrations it knownMigrations, so it may need what ` +
      `${contracted.migrations.join(', ')} took out at ${contracted.at}; kubectl pcf retry asks it again`
    );
  }
  const unknown = contracted.migrations.filter(
    (migration) =>
      !known.knownMigrations?.find(({ revision }) => revision === name)?.migrations.includes(migration),
  );
  return (
    `${titleOf(asked, name)} can't live with the schema: it needs what ${unknown.join(', ')} took out at ${contracted.at}, ` +
    `and going back would not bring that data back; the oldest revision to go back to is ${floor}`
  );
}

function titleOf(candidate: Candidate | undefined, name: string): string {
  return candidate?.image ? `${name} (${candidate.image})` : name;
}

/**
 * Keeps what the migration Jobs told: the Jobs and their pods may go, the schema stays.
 * A contract Job that exists counts as begun, also if the operator was killed before it was on record.
 */
export function noteSchema(seen: Observation, now: number): DeliveryPosition {
  const { position, revisions } = seen;
  const knownMigrations = noteBackfill(seen, noteKnowledge(seen));
  const stable = revisions.find(({ name }) => name === position.stable);
  const noted = { ...position, knownMigrations: knownMigrations.length > 0 ? knownMigrations : undefined };
  if (!stable?.contract || stable.contract.state === 'Absent') return noted;
  const begun = pendingContracts(noted).length > 0 ? begunContract(seen, noted, now) : noted.contracted;
  if (begun?.revision !== stable.name) return noted;
  const done = stable.contract.state === 'Succeeded';
  return { ...noted, contracted: { ...begun, ...(done ? { done } : {}) } };
}

/** Told once, by the delivery that migrated: what an old Job says of an older schema does not count later. */
function noteKnowledge({ position, revisions, strangers }: Observation): Knowledge[] {
  const { update, contracted, knownMigrations = [] } = position;
  const names = [...revisions.map(({ name }) => name), ...(strangers ?? [])];
  const kept = knownMigrations.filter(({ revision }) => names.includes(revision));
  const told = revisions.find(({ name }) => name === update);
  const before = kept.find(({ revision }) => revision === update);
  if (!told || (before && !(before.unreported && told.contracts))) return kept;
  const others = kept.filter((one) => one !== before);
  const backfill = told.backfill ? { backfill: true } : {};
  if (told.unreported)
    return [...kept, { revision: told.name, migrations: [], unreported: true, ...backfill }];
  if (!told.contracts) return kept;
  const past = contracted?.migrations.filter((migration) => !told.ahead?.includes(migration)) ?? [];
  const migrations = [...new Set([...told.contracts, ...past])];
  return [...others, { revision: told.name, migrations, ...backfill }];
}

/** Contract migrations of the stable revision that were not begun yet. */
export function pendingContracts({ stable, knownMigrations, contracted }: DeliveryPosition): string[] {
  const known = knownMigrations?.find(({ revision }) => revision === stable)?.migrations ?? [];
  return known.filter((migration) => !contracted?.migrations.includes(migration));
}

/** The record of a contract that begins now. */
export function begunContract(seen: Observation, position: DeliveryPosition, now: number): Contracted {
  const { number = 0, image } = view(seen, position.stable!);
  const migrations = [...(position.contracted?.migrations ?? []), ...pendingContracts(position)];
  const at = new Date(now).toISOString();
  return { revision: position.stable!, number, ...(image ? { image } : {}), migrations, at };
}
